"""The command line: `main` finds the command and lets Hydra compose, `flags` holds the words that are no configuration,
`help` and `completion` teach them."""
