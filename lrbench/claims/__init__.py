"""The claims lab: every claim of the guide, and what became of it.

`ledger/` holds the claims as data, a file for each part of the guide; `code/` what torch is asked, a few lines for each
question. `exact` settles what can be computed, `cited` what only a publication can say, `measured` what studies have
found; `settled` keeps the verdicts, and `summary` and `page` are made of them.
"""
