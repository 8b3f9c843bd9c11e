"""The configuration: `schema` says what may be set, `compose` lets Hydra put it together, `experiments` makes
Experiments of it; `grid`, `arms`, `composer` and `entries` do so for sweeps, and `named` for those that have a name;
`levels` knows the option files, `hydra_errors` puts Hydra's errors in our words. Nothing below the commands knows it,
but for `levels`."""
