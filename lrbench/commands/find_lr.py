"""`lrbench find-lr`: which rate to begin with, by a range test on several seeds."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.commands import Parser, require_folder
from lrbench.config.auto import is_auto, without_rate
from lrbench.config.components import AUTO
from lrbench.config.composer import composer
from lrbench.config.entries import key_of
from lrbench.engine.train import to_stderr
from lrbench.errors import ConfigError
from lrbench.find_lr.find import find
from lrbench.find_lr.found import Found, Suggestion, remarks
from lrbench.find_lr.names import NAMES, RULES
from lrbench.find_lr.range_test import range_test_of
from lrbench.find_lr.store import path_of
from lrbench.plots.find_lr import Mark, kinds, plot_sweeps
from lrbench.plots.terminal import sweep_chart
from lrbench.store.files import to_json
from lrbench.store.folder import results_folder

LETTERS = "abcdefgh"
ABOVE = 1.3  # of the first loss: the curve is drawn up to there

EPILOG = f"""rules (find_lr.rule=NAME is what is suggested)
{chr(10).join(f"  {name:16}{says}" for name, says in RULES.items())}

options (key=value)
  find_lr.start, end      lowest and highest rate (1e-6, 10)
  find_lr.iterations      updates of a sweep (100)
  find_lr.smoothing       weight of what was before in the running mean of losses (0.9)
  find_lr.stop            a sweep ends where that mean is above so many times its lowest (4)
  find_lr.seeds           sweeps (5), on seeds that train nothing else
  find_lr.variant=guide   the finder of the guide, as it behaves
  out=FILE                the picture, .png, .svg or .pdf (results/plots/find_lr-ID.png)

examples
  lrbench find-lr model=mlp
  lrbench find-lr recipe=cnn_modern_tiny
  lrbench find-lr optimizer=adamw model=vit_micro find_lr.seeds=10 find_lr.rule=steepest_tenth
  lrbench optimizer.lr=auto scheduler=cosine        train with what is found; the number is what is recorded

It takes what `lrbench train` takes, and trains a new model on each seed while the rate grows; schedule, horizon, rate
and seed of the command are not looked at. What it found is kept in results/find_lr/ID.json, is not made again, and may
be committed.

Exit codes: 0 the rule has a rate, 1 it has none, 2 bad usage, 130 stopped (the same command goes on)."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    plain = _composed(options.words, options.config_dir)
    if is_auto(plain):
        raise ConfigError("optimizer.lr", AUTO, "it is what find-lr looks for", "leave it out")
    _require_picture(plain["out"], plain["results"])
    results, test = results_folder(plain["results"]), range_test_of(plain["find_lr"])
    found = find(without_rate(plain), results, test, plain["device"], plain["workers"], to_stderr)
    command = _command(options.words, options.config_dir, found.suggested)
    if options.json:
        print(to_json(_plain(found, command), indent=2))
    else:
        picture = Path(plain["out"]) if plain["out"] else results / "plots" / f"find_lr-{found.id}.png"
        _draw(found, picture)
        print(_text(found, command, path_of(results, found.id), picture))
    return 0 if found.suggested.rate is not None else 1


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lrbench find-lr",
        options=True,
        description="Find a learning rate: the loss while the rate grows, on several seeds, and what each rule\n"
        "reads off it, with an interval.",
        epilog=EPILOG,
    )
    parser.add_argument("words", nargs="*", metavar="key=value", help="options of the experiment, as of lrbench train")
    parser.add_argument("--json", action="store_true", help="curves and suggestions, for a program")
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a folder with levels of your own")
    return parser


def _composed(words: Sequence[str], config_dir: str | None) -> dict[str, Any]:
    search = [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"] if config_dir else []
    for word in words:
        if "=" not in word:
            raise ConfigError(word, "", "this is no key=value", "lrbench find-lr --help has examples")
    with composer(search) as composed:
        return dict(composed(words).plain)


def _command(words: Sequence[str], config_dir: str | None, suggested: Suggestion) -> str | None:
    """That trains what was swept at the suggestion; None where there is none."""
    if suggested.rate is None:
        return None
    kept = [w for w in words if key_of(w) not in ("optimizer.lr", "out") and not key_of(w).startswith("find_lr")]
    folder = ["--config-dir", config_dir] if config_dir else []
    return shlex.join(["lrbench", *folder, *kept, f"optimizer.lr={suggested.rate:g}"])


def _marks(found: Found) -> list[Mark]:
    said = [found.suggestions[name] for name in NAMES[found.test.variant]]
    return [Mark(s.rule, s.rate, s.low, s.high) for s in said if s.rate is not None]


def _top(found: Found) -> float:
    """Up to where the curves are worth drawing: a bit above where they begin."""
    firsts = [float(c.losses[0]) for c in found.curves]
    lowest = min(float(np.nanmin(c.losses)) for c in found.curves)
    first = max(firsts)
    return first + (ABOVE - 1) * max(abs(first), first - lowest)


def _require_picture(out: str | None, results: str | None) -> None:
    """Raises ConfigError, before anything is trained, for a file that no picture can be."""
    require_folder(out, results)
    suffix = Path(out).suffix if out else ""
    if suffix and suffix.lstrip(".") not in kinds():
        cure = "give another file that ends in .png, .svg or .pdf, as out=find_lr.png"
        raise ConfigError("out", out, f"no picture is of the kind '{suffix}'", cure)


def _draw(found: Found, path: Path) -> None:
    """Raises ConfigError for a picture that cannot be written."""
    try:
        curves = [(c.rates, c.losses) for c in found.curves]
        plot_sweeps(curves, _marks(found), _top(found), found.title, path)
    except OSError as error:
        why = f"the picture cannot be written ({error})"
        raise ConfigError("out", path, why, "give another file, as out=find_lr.png") from error


def _text(found: Found, command: str | None, kept: Path, picture: Path) -> str:
    marks = {m.label: letter for m, letter in zip(_marks(found), LETTERS, strict=False)}
    at = {marks[m.label]: m.rate for m in _marks(found)}
    curves = [(c.rates, c.losses) for c in found.curves]
    rows = [_row(marks.get(name, " "), found.suggestions[name], found) for name in NAMES[found.test.variant]]
    head = f"    {'rule':15}{'rate':>8}  {'95 % interval':20}seeds"
    return "\n".join(
        [
            sweep_chart(curves, at, _top(found)),
            f"  {found.title}: {len(found.sweeps)} sweeps, range test {found.id}",
            "",
            head,
            *rows,
            "",
            *(f"note     {remark}" for remark in remarks(found)),
            f"kept     {kept}",
            f"picture  {picture}",
            *([f"train    {command}"] if command else [f"no rate  {found.test.rule} has none (see above)"]),
        ]
    )


def _row(letter: str, s: Suggestion, found: Found) -> str:
    rate = "-" if s.rate is None else f"{s.rate:g}"
    interval = "-" if s.low is None else f"{s.low:g} to {s.high:g}"
    chosen = "  suggested" if s.rule == found.test.rule else ""
    return f"  {letter} {s.rule:15}{rate:>8}  {interval:20}{s.answers} of {s.of}{chosen}"


def _plain(found: Found, command: str | None) -> dict[str, Any]:
    """As `--json` has it. Rates and losses of a curve are those of its points, smoothed."""
    return {
        "id": found.id,
        "title": found.title,
        "test": {**found.test.of_a_sweep, "seeds": found.test.seeds, "rule": found.test.rule},
        "suggested": found.suggested.rate,
        "suggestions": {name: vars(found.suggestions[name]) for name in NAMES[found.test.variant]},
        "remarks": remarks(found),
        "command": command,
        "sweeps": [
            {"seed": s.seed, "end": s.end, "rates": c.rates.tolist(), "losses": c.losses.tolist()}
            for s, c in zip(found.sweeps, found.curves, strict=True)
        ],
    }
