"""What runs leave on disk: `store` knows where it lies, `record` is one run's folder, `lease` and `locks` say who may
write it; `run` is a run as it is read, `evidence` finds rows of runs in files (`rows` and `arms`, written by
`export`); `runs` with its `index` asks ten thousand of them."""
