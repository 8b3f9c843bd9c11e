"""Many runs: frozen first, then carried out here or as jobs of a cluster, then told.

From Python, without a command and with nothing printed:

    from lrbench.config.entries import entries
    from lrbench.config.grid import expanded
    from lrbench.sweep.carry_out import carry_out
    from lrbench.sweep.freeze import freeze
    from lrbench.sweep.words import text

    if __name__ == "__main__":  # warm workers import this file again
        plan = freeze(entries(expanded(["model=mlp", "scheduler=cosine,step", "seed=range(3)"])))
        print(plan.headline())  # plan.entries, plan.refused, plan.cost
        outcome = carry_out(plan, workers=2)  # or 1: this process; or lrbench.sweep.slurm.options.Slurm(time="2:00:00")
        print(text(outcome))  # outcome.end, outcome.standings(), and entry.record of each of plan.entries

`freeze` takes any `Entry(label, experiment, settings)`, however its Experiment was made; `entries` composes them from
overrides, under arms too: `entries(jobs, [Arm("warm", ("scheduler=cosine", "warmup=linear5"))])`. `carry_out` tells an
`Observer` how it goes. `stages.carry_out_stages` carries out a sweep whose next runs depend on results. A tracker is
told of a sweep by `mirror.mirror_sweep`, which says so on stderr.

`entry` is one frozen run and `run_entry`, which trains it anywhere; `plan` orders them and says how they stand and what
they cost; `store` keeps a plan under `<results>/sweeps/`; `pool` trains a plan by warm workers, and `display` shows it.
"""
