"""Advice on a schedule, from a few facts: overrides that run as printed, each with its reason, source and evidence.

What is said stands in the YAML files of this folder; `choose` walks through them, `evidence` asks the ledger's
verdicts, and an option that a verdict speaks against is not taken. No torch and no Hydra: it answers at once.
"""
