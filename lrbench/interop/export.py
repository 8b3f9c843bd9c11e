"""A schedule as code on torch alone: its schedulers, stepped at the right moments by a function of a few lines.

What is written is read from the plan: classes, resolved arguments, when each is stepped. lrbench's own shapes come with
their source. The code sets the rates of `lr_table(plan)` to the bit.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lrbench import __version__
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.interop.source import ONE_GROUP, Source, import_lines, optimizer_given
from lrbench.plural import plural
from lrbench.schedules import hears_metric, lr_table
from lrbench.schedules.build import settings_of
from lrbench.schedules.feedback import built

WIDTH = 100
LISTS = ("max_lr", "base_lr", "min_lr")  # arguments of torch's own classes that take a value for every group
LOOP = """    rates = schedule(optimizer)  # whose rates are the peaks
    for update in range(UPDATES):
        next(rates)  # sets the rate of this update
        ...
        optimizer.step()
"""


def export(plan: SchedulePlan, command: str = "") -> str:
    """A module's source with a generator `schedule(optimizer)`: each `next()` of it sets the rates of the next update.

    command: what was asked, for its first lines. Raises ConfigError for a schedule that cannot be built.
    """
    table = lr_table(plan)
    code = _Code(plan, momentum=table.momentum is not None)
    body = list(code.plain() if code.is_plain else code.joined())
    imports, said = import_lines(code.source.taken), f'"""{_title(plan)}\n\n{_usage(plan, command)}"""\n'
    head = [said, *imports, "", *code.constants()]
    return "\n".join([*head, *code.definitions(), "", "", *body, ""])


def _title(plan: SchedulePlan) -> str:
    """One line: what follows what, over how many updates."""
    names = [part.spec.name for part in plan.parts if part.option != "weight_decay"]
    epochs = f", {plan.clock.per_epoch} an epoch" if plan.clock.per_epoch else ""
    return f"The rate of every update: {', then '.join(names)}; {plural(plan.clock.updates, 'update')}{epochs}."


def _usage(plan: SchedulePlan, command: str) -> str:
    made = f"Made by lrbench {__version__}{f': {command}' if command else ''}"
    lines = textwrap.wrap(f"{made}. It needs torch alone.", WIDTH, break_on_hyphens=False, break_long_words=False)
    told = "\n".join([*lines, "", LOOP])
    if hears_metric(plan):
        metric = (plan.monitor or "metric").replace("/", "_")
        told += f"\nWhere {metric} was measured, rates.send({metric}) takes the place of the next next(rates).\n"
    return told


@dataclass
class _Code:
    """The parts of a module, as they come up while its function is written."""

    plan: SchedulePlan
    momentum: bool
    source: Source = field(default_factory=Source)

    @property
    def is_plain(self) -> bool:
        """Whether torch's schedulers can work on the optimizer itself, one after the other."""
        joined = self.plan.warmup is not None and self.plan.warmup.join is not None
        return not joined and self.plan.decay is None and all(self._shared(p) is not None for p in self.plan.parts)

    def _shared(self, part: SchedulePart) -> dict[str, str] | None:
        """The arguments of a part, as code, where all groups can share one scheduler; else None."""
        each = [self.plan.arguments(part, group) for group in self.plan.peaks]
        peak_arg = getattr(part.spec, "peak_arg", None)
        shared = {}
        for name in each[0]:
            values = [args[name] for args in each]
            if name == peak_arg and part.spec.target.startswith("torch.") and name in LISTS:
                shared[name] = "PEAKS"
            elif all(value == values[0] for value in values):
                shared[name] = self.source.literal(values[0], "optimizer")
            elif part.spec.target.startswith("torch.") and name in LISTS:
                shared[name] = repr(values)
            else:
                return None
        return shared

    def _call(self, part: SchedulePart, args: Mapping[str, str], optimizer: str, indent: int) -> str:
        """`LinearLR(optimizer, start_factor=0.01, ...)`, an argument a line where it is long."""
        called = self.source.name_of(part.spec.target)
        given = [optimizer_given(part.spec.target, optimizer), *(f"{name}={value}" for name, value in args.items())]
        line = f"{called}({', '.join(given)})"
        if len(line) + indent + 10 <= WIDTH:
            return line
        inner = "\n".join(f"{' ' * (indent + 4)}{arg}," for arg in given)
        return f"{called}(\n{inner}\n{' ' * indent})"

    def _each(self, part: SchedulePart, optimizers: str, indent: int = 4) -> str:
        """A list of schedulers, one for each of some stand-ins."""

        def called(args: Mapping[str, object], optimizer: str, indent: int) -> str:
            written = {name: self.source.literal(value, optimizer) for name, value in args.items()}
            return self._call(part, written, optimizer, indent)

        each = {group: self.plan.arguments(part, group) for group in self.plan.peaks}
        first, *others = each.values()
        if all(args == first for args in others):
            return f"[{called(first, 'o', indent)} for o in {optimizers}]"
        calls = [
            f"{' ' * (indent + 4)}{called(args, f'{optimizers}[{i}]', indent + 4)},  # {group}\n"
            for i, (group, args) in enumerate(each.items())
        ]
        return f"[\n{''.join(calls)}{' ' * indent}]"

    def _step(self, part: SchedulePart, each: str = "") -> list[str]:
        """What is done after an update so that a part goes on, without indentation. With `each`, for a list of
        schedulers of that name."""
        name = each or {"scheduler": "main"}.get(part.option, part.option)
        takes = built(self.plan, part)[0].takes
        given = {"count": self._count(part), "metric": "metric"}
        if "metric" in takes:
            given["count"] = "heard"
        call = f"{'s' if each else name}.step({', '.join(given[t] for t in takes)})"
        lines = [f"for s in {each}:", f"    {call}"] if each else [call]
        if "metric" in takes:
            heard = ["heard += 1"] if "count" in takes else []
            return ["if metric is not None:", *(f"    {line}" for line in [*heard, *lines])]
        if part.phase.tick > 1:
            return [f"if (update + 1) % {self._tick(part)} == 0:", *(f"    {line}" for line in lines)]
        return lines

    def _tick(self, part: SchedulePart) -> str:
        return "PER_EPOCH" if part.phase.tick == self.plan.clock.per_epoch else str(part.phase.tick)

    def _count(self, part: SchedulePart) -> str:
        tick, before = part.phase.tick, part.phase.start // part.phase.tick
        steps = "update + 1" if tick == 1 else f"(update + 1) // {self._tick(part)}"
        return f"{steps} - {before}" if before else steps

    # ---- The function ---------------------------------------------------------------------------------------

    def _begin(self) -> Iterator[str]:
        yield "def schedule(optimizer: Optimizer) -> Generator[None, float | None, None]:"
        yield '    """Sets what the update to come uses, at every next(); ends after the last update."""'
        yield '    if [group["lr"] for group in optimizer.param_groups] != PEAKS:'
        yield '        raise ValueError(f"this schedule was made for parameter groups with the rates {PEAKS}")'
        if any({"metric", "count"} == {*built(self.plan, p)[0].takes} for p in self.plan.parts):
            yield "    heard = 0"

    def plain(self) -> Iterator[str]:
        """One scheduler after the other, on the optimizer itself."""
        yield from self._begin()
        warm, main = self.plan.warm, self.plan.main
        if warm:
            yield f"    warmup = {self._call(warm, self._shared(warm) or {}, 'optimizer', 4)}"
            yield "    for update in range(WARMUP):"
            yield "        yield"
            yield from (f"        {line}" for line in self._step(warm))
            yield "    for group, peak in zip(optimizer.param_groups, PEAKS):  # the main schedule starts from the peak"
            yield '        group["lr"] = peak'
            yield '        group.pop("initial_lr", None)'
        yield f"    main = {self._call(main, self._shared(main) or {}, 'optimizer', 4)}"
        yield f"    for update in range({'WARMUP, ' if warm else ''}UPDATES):"
        yield f"        {'metric = ' if hears_metric(self.plan) else ''}yield"
        yield from (f"        {line}" for line in self._step(main))

    def joined(self) -> Iterator[str]:
        """Schedulers side by side, each on stand-ins for the groups, from which their values are taken."""
        plan = self.plan
        yield from self._begin()
        yield "    groups = optimizer.param_groups"
        parts = [(p, {"scheduler": "main"}.get(p.option, p.option)) for p in plan.parts]
        for part, name in parts:
            values = "WEIGHT_DECAYS" if part.option == "weight_decay" else "PEAKS"
            yield f"    {name}_of = [OneGroup(optimizer, group, lr) for group, lr in zip(groups, {values})]"
            yield f"    {name} = {self._each(part, f'{name}_of')}"
        yield f"    for o in [{', '.join(f'*{name}_of' for _, name in parts)}]:"
        yield "        o.step()"
        yield "    for update in range(UPDATES):"
        yield "        for i, group in enumerate(groups):"
        yield from (f"            {line}" for line in self._written())
        yield f"        {'metric = ' if hears_metric(plan) else ''}yield"
        for part, name in parts:
            lines = self._step(part, each=name)
            if condition := self._while(part):
                lines = [f"if {condition}:", *(f"    {line}" for line in lines)]
            yield from (f"        {line}" for line in lines)

    def _while(self, part: SchedulePart) -> str:
        """When a part is stepped at all."""
        if part.option == "warmup":
            return "update < WARMUP"
        return "update >= WARMUP" if part.option == "scheduler" and part.phase.start else ""

    def _written(self) -> Iterator[str]:
        """What goes into a group before an update."""
        plan = self.plan
        if plan.warmup is None:
            yield 'group["lr"] = main_of[i].lr'
        else:
            during = {
                "min": "min(warmup_of[i].lr, main_of[i].lr)",
                "product": "main_of[i].lr * (warmup_of[i].lr / PEAKS[i])",
            }.get(plan.warmup.join or "", "warmup_of[i].lr")
            yield f'group["lr"] = {during} if update < WARMUP else main_of[i].lr'
        if self.momentum:
            key = "betas" if "betas" in settings_of(plan) else "momentum"
            late = "if update >= WARMUP:\n                " if plan.main.phase.start else ""
            yield f'{late}group["{key}"] = main_of[i].param_groups[0]["{key}"]'
        if plan.decay:
            yield "if WEIGHT_DECAYS[i]:"
            yield '    group["weight_decay"] = weight_decay_of[i].lr'

    # ---- What stands before it ------------------------------------------------------------------------------

    def constants(self) -> list[str]:
        plan = self.plan
        lines = [f"PEAKS = {[*plan.peaks.values()]}  # the rates of the optimizer's groups: {', '.join(plan.peaks)}"]
        lines.append(f"UPDATES = {plan.clock.updates}  # optimizer steps of the whole run")
        if plan.clock.per_epoch:
            lines.append(f"PER_EPOCH = {plan.clock.per_epoch}")
        if plan.warm:
            lines.append(f"WARMUP = {plan.warm.phase.stop}")
        if plan.decay and plan.decays:
            lines.append(f"WEIGHT_DECAYS = {[*plan.decays.values()]}  # their weight decays")
        return lines

    def definitions(self) -> list[str]:
        found = [*([] if self.is_plain else [ONE_GROUP.strip()]), *self.source.definitions]
        return [f"\n\n{definition}" for definition in found]
