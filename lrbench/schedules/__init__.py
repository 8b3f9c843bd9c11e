"""What a schedule is: torch's own schedulers, their times resolved, traced into one exact table of rates.

`lr_table(plan)` is the whole story: `build` makes the scheduler of one part of the plan, `trace` reads its rates off a
throw-away optimizer, `compose` joins warmup and main and puts the weight decay beside them, `feedback` feeds schedulers
that hear a metric. What a plan is: `lrbench.experiment.schedule_plan`.
"""

from lrbench.schedules.compose import LRTable, lr_table
from lrbench.schedules.contradictions import check
from lrbench.schedules.facts import RateFacts, facts
from lrbench.schedules.feedback import Feedback, hears_metric

__all__ = ["Feedback", "LRTable", "RateFacts", "check", "facts", "hears_metric", "lr_table"]
