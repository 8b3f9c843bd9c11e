"""lrbench in a training loop of one's own: `watch` it, use a `schedule` in it, `export` one as code, read its `rates`.

The first two are `lrbench.watch` and `lrbench.schedule`. In the order of reading: `seen` (what was recorded);
`stepping`, `rules` and `against` (what follows from it); `taps` and `watch` (how it is recorded); `logs` and `rates`
(what others recorded); `optimizers` (a plan for an optimizer that is there) and `schedule`; `source` and `export`.
"""
