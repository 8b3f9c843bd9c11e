"""The engine: one readable loop over updates, and the state it moves.

`state` is what training moves and how it is saved, `loop` moves it, `evaluation` measures it, `log` writes the
record, `fork` begins from another run's state, and `train` puts them together: `train(experiment) -> Record`.
"""

# Raised when the loop's numbers change for the same Experiment: it makes other run ids.
NUMERICS = 2
