"""Many runs: planned and frozen first, then trained by warm workers here, or as jobs of a cluster.

`entry` is one frozen run and `run_entry`, which trains it anywhere; `plan` orders them and says how they stand and what
they cost; `store` keeps a plan under `<results>/sweeps/`; `workers` trains a plan on this machine, and `display`
shows it.
"""
