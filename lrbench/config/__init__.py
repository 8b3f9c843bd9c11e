"""The configuration: `schema` says what may be set, `compose` lets Hydra put it together, `experiments` makes
Experiments of it; `grid` and `composer` do so for sweeps, `levels` knows the option files, `hydra_errors` puts Hydra's
errors in our words. Nothing below the commands knows it, but for `levels`."""
