"""A sweep as jobs of SLURM, by submitit.

`submit` packs runs into jobs and jobs into arrays; `job` is what happens inside one; `jobs` keeps which job has which
runs; `states` asks SLURM whether a job will ever come; `watch` waits for the runs, whose records tell the truth.
"""
