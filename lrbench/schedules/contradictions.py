"""What a schedule's table says against its plan."""

from functools import lru_cache

from lrbench.schedule_plan import SchedulePlan
from lrbench.schedules.compose import lr_table


@lru_cache(maxsize=4096)  # the jobs of a sweep share their schedules, and what is kept of one is small
def check(plan: SchedulePlan) -> tuple[str, ...]:
    """Trace the plan and refuse what cannot be right; what is worth telling, a line each. Raises ConfigError."""
    lr_table(plan)
    return ()
