"""Questions to torch, in as few lines as it takes, on torch alone: each can be pasted and run, with what it
takes from `stepping`.

A function takes nothing and gives what it found, by name: numbers, yes or no as booleans, texts. It knows nothing of
what the guide says; that stands beside its name in the ledger, and `lrbench.claims.said` compares the two.
"""
