"""What went wrong in a run: pure functions from what a record or a log shows to findings with evidence and remedies."""
