"""Studies: from a question to a verdict. A study is a design, frozen before its data, and a pure function of rows.

`rules` is what a design says in numbers and names; `design` adds the Experiments it was compiled to, and its hash.
`step.next_step(rules, look)` gives the runs still needed, by stage, or the `result.Result`; it keeps nothing, so a
study is resumed, moved to a cluster or re-analysed by asking again. Its parts, in the order in which they are asked:
`tuning` (each arm's rate, in two rounds), `size` (how many pairs), `confirmation` (on fresh seeds), `analysis` (family,
verdicts).

All of these know only cells (task, arm, value, seed) and what came of them, so that the whole procedure can be
simulated in milliseconds; `bench` turns cells into Experiments and their runs into outcomes, `shelf` keeps them.
"""
