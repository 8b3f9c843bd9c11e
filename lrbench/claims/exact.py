"""Claims that can be computed: what the guide says, held against a schedule's rates or against what torch does."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import torch

from lrbench.claims.ledger import Claim, ClaimedRates
from lrbench.claims.said import Found, Statement, part
from lrbench.config.compose import compose
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError, did_you_mean
from lrbench.horizon import Clock, span
from lrbench.plots.curve import ScheduleCurve
from lrbench.schedules import lr_table

CODE = "lrbench.claims.code"
BASE = ("optimizer=sgd_plain", "model=mlp", "data=digits", "warmup=none", "scheduler=constant", "device=cpu")


def parts_of(claim: Claim) -> tuple[Statement, ...]:
    """Everything that the claim says of rates and of what code finds. Raises ConfigError where its entry is wrong."""
    try:
        return (*(p for rates in claim.rates for p in of_rates(rates)), *(of_code(claim) if claim.code else ()))
    except ConfigError as error:
        raise ConfigError(f"claim {claim.id}: {error.option}", error.value, error.why, error.cure) from error


def curve_of(rates: ClaimedRates) -> ScheduleCurve:
    """The schedule that is spoken of. Raises ConfigError for overrides that compose none."""
    plan = experiment_from(compose([*BASE, *rates.set])).schedule
    return ScheduleCurve(rates.what or " ".join(rates.set), plan, lr_table(plan))


def of_rates(rates: ClaimedRates) -> Iterator[Statement]:
    """The rates of a schedule that overrides compose, over lrbench's plainest configuration, at positions in it."""
    drawn = curve_of(rates)
    clock, table = drawn.plan.clock, drawn.table
    if rates.group and rates.group not in table.groups:
        raise ConfigError("group", rates.group, "there is none such", did_you_mean(rates.group, table.groups))
    lr = table.lr[:, table.groups.index(rates.group) if rates.group else 0]
    ends = {"last": lr[-1], "highest": lr.max(), "lowest": lr.min()}
    for position, said in rates.at.items():
        value = float(ends[position] if position in ends else lr[_row(position, clock, len(lr))])
        what = f"{rates.what}, {position}" if rates.what else position
        yield part(what, said, value)


def _row(position: str, clock: Clock, rows: int) -> int:
    row = span(position, clock, "at")
    if row.denominator != 1 or row >= rows:
        raise ConfigError("at", position, f"no update of the run: it has {rows}, from 0ba on", "give a longer horizon")
    return int(row)


def of_code(claim: Claim) -> Iterator[Statement]:
    module, _, name = claim.code.partition(".")
    with _one_thread():
        found: dict[str, Found] = getattr(import_module(f"{CODE}.{module}"), name)()
    if {*found} != {*claim.said}:
        why = f"{claim.code} finds {', '.join(found)}; said is {', '.join(claim.said)}"
        raise ConfigError("said", "", why, "give both the same names")
    for what, value in found.items():
        yield part(what, claim.said[what], value)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Last bits depend on the number of threads; and steps as small as these wait for them longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
