"""A sweep as jobs of SLURM, by submitit.

`options` is what is asked of SLURM; `drive` submits what a plan has to do and waits for it; `submit` packs runs into
jobs and jobs into arrays; `job` is what happens inside one; `jobs` keeps which job has which runs; `states` asks SLURM
whether a job will ever come; `watch` waits for the runs, whose records tell the truth.
"""
