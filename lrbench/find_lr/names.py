"""What the rules are called, and what is said of each: for commands that have no curve yet. No torch, no numpy."""

RULES = {
    "steepest": "where the loss falls fastest over log(rate)",
    "minimum_tenth": "a tenth of the rate of the lowest loss",
    "valley": "the middle of the longest fall (fastai)",
    "slide": "below the place where the slope turns (fastai)",
    "printed": "five updates before the lowest loss (the guide's printed one)",
    "steepest_tenth": "a tenth of the steepest (the guide's for Adam)",
    "steepest_x5": "five times the steepest (the guide's for OneCycle)",
    "steepest_x10": "ten times the steepest (the guide's for OneCycle)",
}

NAMES = {
    "lrbench": tuple(RULES),
    "guide": ("steepest", "minimum_tenth", "printed", "steepest_tenth", "steepest_x5", "steepest_x10"),
}
