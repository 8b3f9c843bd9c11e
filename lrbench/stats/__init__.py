"""Estimates, intervals and verdicts. Pure: arrays of numbers in, plain values out; no torch, no files.

`intervals` are of one sample or one rate; `paired` is about two arms that share their seeds. What a study is judged by:
`family` tests its contrasts together, `selection` says what the choice of rates adds to their variance, `verdict` is
the rule that follows, `power` what it can reach, `tuning` what tuning costs.
"""
