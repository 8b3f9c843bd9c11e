"""A comparison is the same from records and from the rows that were made of them."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import write_series
from report_records import CONSTANT, COSINE, METRICS, diverged, experiment, record, rows_of_a_run

from lrbench.errors import ConfigError
from lrbench.experiment import ParamGroups
from lrbench.report import html, markdown, numbers, words
from lrbench.report.compare import compare
from lrbench.report.selection import runs_of
from lrbench.store.export import write_rows
from lrbench.store.record import Record
from lrbench.store.store import Store

SPLIT = ParamGroups(target="lrbench.param_groups.no_decay_norm_bias", lr_scales={"decay": 1.0, "no_decay": 0.5})
ACCURACY = {
    (CONSTANT, 0.1): (0.9, 0.91, 0.1899),  # the last is no better than chance
    (CONSTANT, 0.2): (0.93, 0.95, 0.94),
    (COSINE, 0.1): (0.97, 0.96, 0.95),
}


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Arms of three seeds, one of which diverged; curves, rates of two groups, commands, two machines."""
    made = []
    for (scheduler, lr), accuracies in ACCURACY.items():
        for seed, accuracy in enumerate(accuracies):
            one = experiment(scheduler, seed, lr, param_groups=SPLIT)
            about = {
                "rows": rows_of_a_run(seed),
                "overrides": [f"scheduler={scheduler}", f"seed={seed}", "results=/x"],
                "provenance": {"started": f"2026-01-01T00:00:{len(made):02}+0000", "cpu": f"cpu {seed % 2}"},
            }
            if (scheduler, lr, seed) == (CONSTANT, 0.2, 2):
                made.append(diverged(tmp_path / "results", one, **about))
            else:
                made.append(record(tmp_path / "results", one, accuracy, **about))
            write_series(made[-1], [[lr / (1 + t), lr / (2 + t)] for t in range(64)], ("decay", "no_decay"))
    return made


def git(folder: Path, *words: str) -> None:
    asked = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false", *words]
    subprocess.run(asked, cwd=folder, check=True, capture_output=True)


def test_records_and_their_rows_give_the_same_comparison(records: list[Record], tmp_path: Path) -> None:
    """Every number, curve, rate, command, environment and word; nothing is restored."""
    path = tmp_path / "claims" / "warmup" / "runs.csv"
    write_rows(records, path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "claims")
    git(tmp_path, "commit", "-qm", "rows")
    from_records = compare(runs_of(Store(tmp_path / "results"), []))
    assert "9 of 9 runs not sealed: recorded before records were" in markdown.render(from_records)
    assert "9 of 9 runs not sealed: recorded before records were" in html.render(from_records)
    for each in records:
        each.adopt()
    from_records = compare(runs_of(Store(tmp_path / "results"), []))
    assert "not sealed" not in html.render(from_records) + markdown.render(from_records)
    from_rows = compare(runs_of(Store(tmp_path / "elsewhere"), [str(path)]))
    assert from_rows == from_records
    assert len(from_rows.arms) == 3
    assert sum(a.failures for a in from_rows.arms) == 2
    assert {r.group for r in from_rows.rates} == {"decay", "no_decay"}
    assert all(a.command for a in from_rows.arms)
    assert html.render(from_rows) == html.render(from_records)
    assert markdown.render(from_rows) == markdown.render(from_records)
    assert not (tmp_path / "elsewhere").exists()
    for record_ in records:  # and it is the rows that are read
        record_.set_aside("old")
    assert compare(runs_of(Store(tmp_path / "results"), [str(path)])) == from_rows


def test_rows_in_no_commit_are_told_of(records: list[Record], tmp_path: Path) -> None:
    path = tmp_path / "claims" / "runs.csv"
    write_rows(records, path)
    c = compare(runs_of(Store(tmp_path), [str(path)]))
    assert sorted(c.uncommitted) == sorted(r.run_id for r in records)
    assert "9 runs of evidence that is not committed yet: " in " ".join(words.remarks(c))
    assert replace(c, uncommitted=(), unsealed=9) == compare(runs_of(Store(tmp_path / "results"), []))


@pytest.mark.parametrize(
    ("selection", "where", "words"),
    [
        (["nowhere/runs.csv"], [], "nowhere/runs.csv: there is no such file"),
        (["nowhere/runs.csv", "tour"], [], "a file of evidence is compared whole"),
        (["nowhere/runs.csv"], ["seed=0"], "a file of evidence is compared whole"),
    ],
)
def test_selections_that_are_none(tmp_path: Path, selection: list[str], where: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        runs_of(Store(tmp_path), selection, where)


def test_a_metric_is_shown_and_judged_as_it_is_declared(tmp_path: Path) -> None:
    """A share by another name, of which less is better, with a chance of 0.5: percent, direction, failure, bounds."""
    miss = {"misses": {"unit": "%", "higher_is_better": False, "low": 0.0, "high": 1.0, "chance": 0.5}}
    made = [
        record(tmp_path, experiment(scheduler, seed), summary={"test/misses": value, "metrics": METRICS | miss})
        for scheduler, values in ((CONSTANT, (0.2, 0.3, 0.46)), (COSINE, (0.1, 0.05, 0.02)))
        for seed, value in enumerate(values)
    ]
    assert made
    c = compare(runs_of(Store(tmp_path), []), metric="test/misses")
    assert not c.higher_is_better
    assert [o.failure for o in c.arms[0].outcomes] == [None, None, "test/misses 46.00%: no better than chance"]
    assert numbers.number(c.measured, c.arms[0].estimate.mean) == "25.00%"
    assert f"{numbers.PAST} The interval goes beyond what test/misses can be, 0% to 100%" in " ".join(words.remarks(c))
