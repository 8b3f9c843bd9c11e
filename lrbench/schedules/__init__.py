"""What a schedule is: torch's own schedulers, their times resolved, traced into one exact table of rates.

`lr_table(experiment)` is the whole story: `build` makes the scheduler of one phase from its config, `trace` reads
its rates off a throw-away optimizer, `compose` joins warmup and main, `feedback` feeds schedulers that hear a metric.
"""

from lrbench.schedules.compose import LRTable, lr_table
from lrbench.schedules.feedback import Feedback, hears_metric

__all__ = ["Feedback", "LRTable", "hears_metric", "lr_table"]
