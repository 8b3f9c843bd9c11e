"""What is worth telling of a legal schedule, what another is refused for, and the arguments as they were written."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePart
from lrbench.numbers import is_count


class Remark(NamedTuple):
    """rule: the id of the linter's finding that it is, such as `check.never-moves`. says: a line, with the option and
    the numbers. cures: overrides that may mend it, the likeliest first; whether they do is for the linter to try."""

    rule: str
    says: str
    cures: tuple[tuple[str, ...], ...] = ()


class Contrary(ConfigError):
    """A schedule that cannot be meant. rule, cures: as of a `Remark`."""

    def __init__(
        self, rule: str, cures: tuple[tuple[str, ...], ...], option: str, value: object, why: str, cure: str
    ) -> None:
        super().__init__(option, value, why, cure)
        self.args = (rule, cures, option, value, why, cure)  # what pickle makes it of again
        self.rule, self.cures = rule, cures


def given(part: SchedulePart) -> Iterator[tuple[str, Any]]:
    """The arguments of a part as they were written, for each group where they are."""
    for name, raw in part.spec.args.items():
        for value in raw.values() if isinstance(raw, Mapping) else [raw]:
            yield f"{part.option}.args.{name}={value}", value


def to_the_end(part: SchedulePart) -> tuple[tuple[str, ...], ...]:
    """Each bare length of a part, made to reach the end of it; a warmup within it is none that could."""
    counts = (option.partition("=")[0] for option, value in given(part) if is_count(value))
    options = dict.fromkeys(o for o in counts if "warmup" not in o.rpartition(".")[2])
    return tuple((f"{option}=end",) for option in options)
