"""What goes on from advice: commands and code that run as printed, with what is the person's own in capitals."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from lrbench.advise.choose import Advice, Choice
from lrbench.advise.facts import DOMAINS, MODELS, AdviceCase

WIDTH = 80  # columns
CAPITALS = "with what is yours in place of the capitals"
UNKNOWN_RATES = ("onecycle-finder", "finetune-unusual", "find")  # options after which the rate is to be looked for
PROXY = 30  # epochs of a comparison on digits at most


def steps(advice: Advice) -> Iterator[tuple[str, Sequence[str]]]:
    """What goes on from here, in words, with the command."""
    of, own = advice.case.of, advice.overrides
    here = DOMAINS[of["domain"]].get("here")
    if here is True or (here and not of["pretrained"]):
        if isinstance(here, list):
            own_kind = iter(here)
        else:
            own_kind = _model_and_data(of["model"], of["pretrained"]) if here is True else _model_and_text(of["model"])
        yours = (f"batch_size={of['batch']}", *own_kind)
        rate = advice.of("rate")
        if rate is not None and rate.id in UNKNOWN_RATES:
            optimizer = [o for o in own if o.startswith("optimizer") and not o.startswith("optimizer.lr=")]
            yield f"find its rate, {CAPITALS}", ("lrbench", "find-lr", *optimizer, *yours)
        yield f"train it, {CAPITALS}", ("lrbench", *own, *yours)
    if _grouped(advice) is None:
        yield _own_loop(advice.case, own)
    scope, warmup = advice.of("scope"), advice.of("warmup")
    if scope is not None and scope.id == "stuck" and (peak := _rate(own)):
        fork = ("start.of=RUN", "start.at=end", "scheduler=constant", f"optimizer.lr={peak / 10:g}", "horizon=10ep")
        yield "cut the rate of a run that is there", ("lrbench", *fork)
    after = advice.of("after")
    ablation = after is not None and after.id == "ablation" and not of["pretrained"]
    if ablation and warmup is not None and here is True:
        level = warmup.set[0].partition("=")[2]
        level = "linear_10pct" if level == "none" or of["epochs"] > PROXY else level
        rest = [o for o in own if not o.startswith(("warmup", "optimizer.lr=", "horizon="))]
        model = ["model=vit_micro"] if of["domain"] == "vit" else []
        arms = (f"horizon={min(of['epochs'], PROXY)}ep", f"warmup=none,{level}")
        yield "with and without warmup, on digits as a small proxy", ("lrbench", "compare", *model, *rest, *arms)


def code(advice: Advice) -> tuple[str, str] | None:
    """For somebody's own loop, where parameter groups are advised, which exported code would not have: a call that
    takes them from the optimizer, in words and as Python. None where none are advised."""
    grouped = _grouped(advice)
    if grouped is None:
        return None
    of, own, rate = advice.case.of, advice.overrides, _rate(advice.overrides)
    updates, per_epoch = of["updates"], of["updates"] // of["epochs"] if of["updates"] else None
    given = [f'"{o}"' for o in own if o.startswith(("scheduler", "warmup"))]
    given += [f"updates={updates or 'UPDATES'}", f"per_epoch={per_epoch or 'UPDATES_OF_AN_EPOCH'}"]
    lines = wrap(", ".join(["optimizer", *given]), WIDTH - 8, break_on_hyphens=False, break_long_words=False)
    at = "each at a rate of its own" if rate is None else f"all at {rate:g}"
    each = grouped.take if grouped.question == "rate" else f"{grouped.take}; {at}"
    words = f"in a loop of your own{_not_here(of)}, its optimizer made with these groups ({each}), whose own rates are "
    words += f"the peaks{'' if updates else '; optimizer steps in place of the capitals'}"
    return words, "\n".join(["scheduler = lrbench.schedule(", *(f"    {line}" for line in lines), ")"])


def _grouped(advice: Advice) -> Choice | None:
    """The choice that has parameter groups."""
    return next((c for c in advice.choices if any(o.startswith("param_groups=") for o in c.set)), None)


def _not_here(of: Mapping[str, Any]) -> str:
    here = DOMAINS[of["domain"]].get("here")
    if not here:
        return f" (lrbench has no model or data for {of['words']})"
    if here is True or not of["pretrained"]:
        return ""
    if isinstance(here, list):
        return " (lrbench itself: model.args.weights_backbone is for a backbone's weights)"
    return " (lrbench has no pretrained weights for it)"


def _own_loop(case: AdviceCase, overrides: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The schedule as code for somebody's own loop, whose updates are known where its samples are."""
    of = case.of
    why = _not_here(of)
    parts = [o for o in overrides if o.startswith(("scheduler", "warmup", "optimizer"))]
    if of["updates"]:
        length = ("--updates", str(of["updates"]), "--per-epoch", str(of["updates"] // of["epochs"]))
        return f"in a loop of your own{why}", ("lrbench", "export", "--torch", *parts, *length)
    length = ("--updates", "UPDATES", "--per-epoch", "UPDATES_OF_AN_EPOCH")
    return f"in a loop of your own{why}, its optimizer steps for the capitals", (
        "lrbench", "export", "--torch", *parts, *length
    )  # fmt: skip


def _model_and_data(model: str, pretrained: bool) -> Iterator[str]:
    """timm's model by its name, which carries a tag where weights are asked for, and images in a folder."""
    name = MODELS.get(model, {}).get("timm", "NAME")
    yield from ("model=timm", f"model.args.name={name}{'.TAG' * pretrained}")
    if pretrained:
        yield "model.args.pretrained=true"
    yield from ("data=image_folder", "data.args.root=DIR", "data.args.val_size=10000")


def _model_and_text(model: str) -> Iterator[str]:
    """A level of lrbench's own, and a text with the task that it is for."""
    level = MODELS.get(model, {}).get("level", "MODEL")
    task = "masked_lm" if level.startswith("bert") else "causal_lm"
    yield from (f"model={level}", f"task={task}", "data=text_file", "data.args.path=FILE")


def _rate(overrides: Sequence[str]) -> float | None:
    return next((float(o.partition("=")[2]) for o in overrides if o.startswith("optimizer.lr=")), None)
