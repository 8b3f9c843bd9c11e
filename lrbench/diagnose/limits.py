"""What counts as wrong: every threshold of a diagnosis, in one place.

Set on runs of an MLP on digits, seeds 0 to 4 (`python tests/benchmarks/run.py diagnose_thresholds` trains and measures
them again), and frozen before the runs of other models and seeds that `results/benchmarks/diagnose_confusion.json`
counts. None is from a paper unless it says so.
"""

# A loss that rises.
SPIKE = 0.4  # of all that the loss fell: a rise of its level above what was reached before
BURST = 1.5  # the same of single updates, whose noise is larger
NOISES = 8.0  # times the noise of a level, which a rise or a fall must exceed to be one
BACK = 0.25  # of all that the loss fell: once less than this is left of a rise, the loss has come back
LOST = 0.5  # of all that the loss fell: a run that ends with more of it lost is lost
NEAR = 0.05  # of the run: how far before a rise a change of the rate may lie that made it
EARLY = 0.15  # of the run: what begins before it began early
UNLEARNED = 0.05  # of the first loss: what falls by less has learned nothing
ENOUGH = 50  # updates, before anything can be said of what was learned

# A loss that stays.
STALL = 0.5  # of the run: what stalls later has not stalled early
FLAT = 0.015  # of all that the loss fell: what the second half of a stall gained over its first at most
FLAT_OF_LEVEL = 0.06  # of the level itself, the same: a small loss may fall on by shares
SOLVED = 0.03  # of the first loss: what lies below has no need to fall on
JUMP = 0.6  # of the peak: a rise by more between two rows, after it, is a restart or another curve
CUT = 0.5  # of the rate: a fall by more between two rows is a cut

# The end.
GAP = 0.15  # of the first loss: by how much validation may lie above training
WORSENED = 0.25  # of the best validation loss: by how much the last may lie above it
HIGH_FLOOR = 0.1  # of the peak: a schedule that falls should end below (the guide's sign)
UNSETTLED = 0.1  # of the level: how much evaluations at the end may differ from one to the next
UNSETTLED_OF_START = 0.01  # of the first loss, the same: small losses waver by larger shares
WORTH_A_NOTE = 0.25  # of the peak: a last rate above is noted, whatever the evaluations do

# A rate that falls.
FALLEN = 0.02  # of the peak: what stays below has come down
TOO_SOON = 0.5  # of the run: coming down for good before it is too soon
SWINGS = 0.5  # of the peak: what rises above again, from below FALLEN, has swung

# A rate that rises.
RISEN = 0.9  # of the peak: a warmup ends there
BEGINS_LOW = 0.5  # of the peak: a run that begins above has no warmup
SHORT_WARMUP = 0.02  # of the run
HIGH_START = 0.3  # of the peak: a warmup that begins above it begins high
AFTER_WARMUP = 2.0  # times its length, or EARLY of the run if that is longer: until then a rise is the warmup's affair

# A metric that a schedule hears.
IMPROVES = 1e-4  # of the best value: torch's default for what counts (ReduceLROnPlateau's threshold)
PATIENT = 0.1  # of the evaluations: this project's default patience

REPORTED = 0.02  # of a share: how far a reproduction may lie from what was reported (the guide's two points)
