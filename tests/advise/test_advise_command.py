"""`lrbench advise` as a person meets it: a terminal, flags, a sentence, a program."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from advised import FACTORS, KNOWN, TABLE, many, world
from cli_support import Lrbench, Said, assert_refused, files, in_process
from data_support import write_boxed_folder, write_masked_folder

from lrbench.advise.choose import advice
from lrbench.advise.evidence import verdicts
from lrbench.advise.excuses import excuses
from lrbench.advise.facts import CHOICES, DOMAINS, MODELS, Facts
from lrbench.advise.next_steps import UNKNOWN_RATES, WIDTH, code, steps
from lrbench.advise.words import rule_told, told
from lrbench.claims.settled import Settled, keep
from lrbench.cli.completion import offers
from lrbench.cli.flags import COMMANDS
from lrbench.commands import advise as command

LATER = {"export", "find-lr"}  # commands of this issue that are built beside this one


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    """Where nothing is settled, whatever is published some day."""
    monkeypatch.setattr(command, "verdicts", lambda known, own: verdicts(known, own, tmp_path / "unpublished"))
    return in_process(tmp_path, monkeypatch, capsys)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str | type[BaseException]) -> None:
    """Somebody at a terminal, who gives these answers and then Enter."""
    waiting: Iterator[str | type[BaseException]] = iter(answers)

    def say(prompt: str = "") -> str:
        said = next(waiting, "")
        if isinstance(said, type):
            raise said
        return said

    monkeypatch.setattr("builtins.input", say)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)


def test_it_answers_without_torch_and_without_hydra() -> None:
    """In a process of its own, as a person starts it."""
    script = (
        "import sys\nfrom lrbench.cli.main import run\n"
        "assert run(['advise', 'BERT fine-tuning, 3 epochs']) == 0\n"
        "slow = {'torch', 'hydra', 'omegaconf', 'numpy', 'scipy', 'matplotlib', 'rich'} & {*sys.modules}\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "optimizer.lr=3e-5" in done.stdout


def test_a_sentence(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("advise", "what should I use for BERT fine-tuning, 3 epochs on tweets?")
    assert (said.code, said.err) == (0, "")
    assert "not understood tweets\n" in said.out
    assert "scheduler=linear scheduler.interval=batch" in said.out
    assert "warmup=linear_10pct" in said.out
    assert "THE GUIDE CONTRADICTS ITSELF" in said.out
    assert files(tmp_path) == []


def test_flags_say_the_same(lrbench: Lrbench) -> None:
    by_flags = lrbench("advise", "--model", "bert", "--pretrained", "--epochs", "3").out
    by_sentence = lrbench("advise", "BERT fine-tuning, 3 epochs").out
    assert by_sentence.partition("\nfor ")[2] == by_flags.partition("for ")[2]


def test_flags_count_before_the_sentence(lrbench: Lrbench) -> None:
    said = lrbench("advise", "BERT fine-tuning, 3 epochs", "--epochs", "5", "--no-pretrained", "--json")
    facts = json.loads(said.out)["facts"]
    assert (facts["epochs"], facts["pretrained"]) == (5, False)


def test_an_opinion_is_answered(lrbench: Lrbench) -> None:
    said = lrbench("advise", "cosine is always fine")
    assert said.code == 0
    assert said.out.startswith("15. a cosine is always fine\n")
    assert "cosine-best-default" in said.out


def test_for_a_program(lrbench: Lrbench) -> None:
    plain = json.loads(lrbench("advise", "ViT-S, 300 epochs", "--samples", "1M", "--json").out)
    assert plain["overrides"][0] == "horizon=300ep"
    assert shlex.split(plain["look"]) == ["lrbench", "plot", *plain["overrides"]]
    assert plain["facts"]["updates"] == 300 * (10**6 // 1024)
    assert plain["understood"] == {"epochs": "300 epochs", "model": "vit s"}
    assert [c["question"] for c in plain["choices"]] == ["length", "optimizer", "rate", "schedule", "warmup", "after"]
    for choice in plain["choices"]:
        assert choice["rule"] in TABLE.rules
        assert choice["because"]
        assert choice["source"]
        for e in choice["evidence"]:
            assert e["says"] == KNOWN[e["claim"]].says


def test_the_results_folder_decides(lrbench: Lrbench, tmp_path: Path) -> None:
    """A verdict of one's own counts before the published one."""
    keep(tmp_path / "results" / "claims", Settled("warmup-gain-vision-half-to-one", "contradicted"))
    said = lrbench("advise", "--domain", "cnn").out
    assert "NOT FOLLOWED: 5 epochs, linear from 1 %; it rests on" in said
    assert "contradicted" in said
    assert "NOT FOLLOWED" not in lrbench("advise", "--domain", "cnn", "--results", "elsewhere").out


def test_published_verdicts_are_used_without_results(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "verdicts", verdicts)
    assert "partly: nlp-linear-decay-style" in lrbench("advise", "--domain", "nlp").out


# ---- in a terminal -----------------------------------------------------------------------------------------------


def test_questions_have_defaults(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    said = lrbench("advise")
    assert said.code == 0
    assert said.err.count("decides") == 6
    again = re.findall(r"^the same again: lrbench (.*)$", said.out, re.MULTILINE)
    assert again == ["advise --domain cnn"]
    assert "scheduler=cosine" in said.out
    same = lrbench(*shlex.split(again[0])).out
    assert said.out.endswith(f"\n\n{same}")
    assert max(map(len, said.err.splitlines())) <= WIDTH


def test_answers_are_heard_and_asked_for_again(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "nlq", "nlp", "perhaps", "yes", "three", "3")
    said = lrbench("advise")
    assert "Did you mean 'nlp'?" in said.err
    assert "answer yes or no" in said.err
    assert "this is no number" in said.err
    assert "the same again: lrbench advise --domain nlp --epochs 3 --pretrained\n" in said.out
    assert "optimizer.lr=3e-5" in said.out


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_it_can_be_left_at_any_question(
    lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    answering(monkeypatch, "cnn", end)
    said = lrbench("advise")
    assert said.code == 130
    assert said.err.endswith("\n\nlrbench: stopped.\n")
    assert said.out == ""


def test_without_a_terminal_nobody_is_asked(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert_refused(lrbench("advise"), "advise: it is not said what is trained; give --domain, one of cnn", "--help")


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--domain", "nlq"), ("--domain=nlq: there is none such", "Did you mean 'nlp'?")),
        (("--domain", "cnn", "--epochs", "some"), ("--epochs=some: this is no number", "300, 22M")),
        (("--domain", "cnn", "--epochs", "2.5"), ("--epochs=2.5: epochs are counted whole",)),
        (("--domain", "cnn", "--epochs", "0"), ("--epochs=0: this is out of range", "1 to 10,000")),
        (("--domain", "cnn", "--batch", "-3"), ("batch",)),
        (("--domain", "cnn", "--optimizer", "sdg"), ("--optimizer=sdg", "Did you mean 'sgd'?")),
        (("--domain", "cnn", "--samples", "10"), ("--batch=256: there are only 10 samples", "smaller batch")),
        (("--model", "frobnet"), ("--model=frobnet: no model of this name", "add --domain")),
        (("--model", "resnet50", "--domain", "vit"), ("--domain=vit: resnet50 is a convolutional", "say --domain cnn")),
        (("--epochs", "3"), ("--domain: it is not said what is trained", "give one of cnn, vit")),
        (("ResNet-50 or BERT",), ("says model twice", "ask for one at a time")),
        (("my banana, 3 epochs",), ("advise=my banana", "understood: epochs (3 epochs)", "not understood: banana")),
        (("--excuse", "banana"), ("--excuse=banana: no excuse here is like this", "lists them")),
        (("--rule", "warmups"), ("--rule=warmups: there is no such rule", "advise.which-warmup")),
        (("--frobnicate",), ("unrecognized arguments", "lrbench advise --help says more")),
    ],
    ids=lambda value: " ".join(value),
)  # fmt: skip
def test_bad_input_is_refused(lrbench: Lrbench, given: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(lrbench("advise", *given), *words)


# ---- what it prints ----------------------------------------------------------------------------------------------


def test_it_fits_a_terminal_and_its_commands_are_lrbenchs() -> None:
    published = verdicts(KNOWN, Path("nowhere"))
    known = [Facts(model=m, samples=10**8) for m in MODELS]
    for facts in [*many(FACTORS), *known, *(Facts(domain=d) for d in DOMAINS)]:
        found = advice(facts, published, TABLE)
        for line in told(found).splitlines():
            assert len(line) <= WIDTH, line
        for words, (program, *rest) in steps(found):
            assert program == "lrbench", words
            assert rest[0] in {*COMMANDS, *LATER} or "=" in rest[0], rest


def test_for_a_loop_of_ones_own_updates_are_counted_where_samples_are_told() -> None:
    known = advice(Facts(model="bert", epochs=3, samples=67_349, pretrained=True), world(), TABLE)
    ((words, command),) = steps(known)
    assert words == "in a loop of your own (lrbench has no pretrained weights for it)"
    assert command == (
        "lrbench", "export", "--torch", "optimizer=adamw", "optimizer.args.weight_decay=0.01", "optimizer.lr=3e-5",
        "scheduler=linear", "scheduler.interval=batch", "warmup=linear_10pct", "--updates", str(3 * 2104),
        "--per-epoch", "2104",
    )  # fmt: skip
    ((words, command),) = steps(advice(Facts(domain="rl"), world(), TABLE))
    assert "lrbench has no model or data for reinforcement learning" in words
    assert command[-4:] == ("--updates", "UPDATES", "--per-epoch", "UPDATES_OF_AN_EPOCH")


@pytest.mark.parametrize(
    ("model", "level", "task"), [("gpt2", "gpt_small", "causal_lm"), ("bert", "bert_base", "masked_lm")]
)
def test_a_language_model_from_scratch_is_trained_on_a_text(model: str, level: str, task: str) -> None:
    """The command that is printed composes, with a text in the place of its capitals."""
    from lrbench.config.experiments import experiment

    found = dict(steps(advice(Facts(model=model, epochs=3), world(), TABLE)))
    (words,) = [w for w in found if w.startswith("train it")]
    _, *overrides = found[words]
    assert overrides[-4:] == [f"model={level}", f"task={task}", "data=text_file", "data.args.path=FILE"]
    made = experiment(*(o.replace("FILE", __file__) for o in overrides), "batch_size=16")
    assert made.task.name.lower() == task.replace("_", "")
    assert not any("on digits" in w for w in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("facts", "groups", "rates"),
    [
        (
            Facts(model="resnet50", epochs=90, pretrained=True, samples=6_400),
            "1e-3 in the new head, 1e-5 in what is pretrained",
            [1e-3, 1e-5],
        ),
        (
            Facts(model="vit_s", epochs=300, samples=1_000_000),
            "weight decay 0.05 but none on norms and biases; all at 0.001",
            [1e-3, 1e-3],
        ),
    ],
)
def test_groups_that_are_advised_come_with_the_optimizer(facts: Facts, groups: str, rates: list[float]) -> None:
    """The code that is printed runs, and no command stands beside it that would lose the groups."""
    import torch

    import lrbench

    found = advice(facts, world(), TABLE)
    words, call = own = code(found)  # type: ignore[misc]
    assert groups in words
    assert not any("export" in command for _, command in steps(found))
    assert all(line in told(found) for line in own[1].splitlines())
    weights = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
    names = {"lrbench": lrbench, "optimizer": torch.optim.AdamW(weights, weight_decay=0.05)}
    exec(call, names)
    first = 0.01 if "linear10" in call else 1.0
    assert names["scheduler"].get_last_lr() == pytest.approx([rate * first for rate in rates])


def test_a_rate_that_is_not_known_is_looked_for() -> None:
    assert {*UNKNOWN_RATES} <= {o.id for o in TABLE.options["rate"]}
    fast = steps(advice(Facts(domain="cnn", goal="fast", model="resnet18"), world(), TABLE))
    (finder,) = (command for words, command in fast if words.startswith("find its rate"))
    assert finder[:4] == ("lrbench", "find-lr", "optimizer=sgd", "batch_size=256")
    assert not any("find" in words for words, _ in steps(advice(Facts(domain="cnn"), world(), TABLE)))


@pytest.mark.parametrize(
    ("domain", "task", "write"),
    [
        ("detection", "detection", write_boxed_folder),
        ("detr", "detection", write_boxed_folder),
        ("segmentation", "segmentation", write_masked_folder),
    ],
)
def test_what_is_trained_on_boxes_or_masks_is_trained_here(domain: str, task: str, write: Any, tmp_path: Path) -> None:
    from lrbench.config.experiments import experiment

    (train, own), *_ = steps(advice(Facts(domain=domain, batch=2), world(), TABLE))
    assert train.startswith("train it, ")
    root = write(tmp_path)
    small = ("data.args.val_size=1", *(("data.args.test_size=1",) if task == "detection" else ()))
    made = experiment(*(o.replace("DIR", str(root)) for o in own[1:]), *small)
    assert made.task.name == task.capitalize()
    pretrained = advice(Facts(domain=domain, pretrained=True), world(), TABLE)
    grouped = code(pretrained)
    assert any("weights_backbone" in words for words, _ in [*steps(pretrained), *([grouped] if grouped else [])])
    if domain == "detr":
        assert (made.model.name, made.clip, made.horizon) == ("DETR", 0.1, "300ep")
        assert made.peaks == pytest.approx({"backbone": 1e-5, "head": 1e-4})
        assert made.param_groups.args["head_names"] == "transformer"


def test_a_command_that_is_printed_can_be_pasted() -> None:
    """The lines of one command, as a shell joins them, are its overrides."""
    found = advice(Facts(domain="detection", epochs=12), world(), TABLE)
    block = re.findall(r"^  lrbench plot (.*?)\n\n", told(found), re.MULTILINE | re.DOTALL)[0]
    assert shlex.split(block.replace("\\\n", "")) == [*found.overrides]


def test_every_rule_is_shown_with_its_entries(lrbench: Lrbench) -> None:
    for rule in TABLE.rules:
        shown = rule_told(rule, TABLE.of(rule), world())
        assert shown.startswith(f"{rule}\n")
        assert {c.id for c in KNOWN.values() if c.rule == rule} <= {*re.findall(r"^  (\S+): ", shown, re.MULTILINE)}
    for name in ("advise.which-warmup", "which-warmup"):
        assert lrbench("advise", "--rule", name).out.startswith("advise.which-warmup\n")


def test_what_facts_would_fill_in_is_left_open_in_a_rule(lrbench: Lrbench) -> None:
    shown = lrbench("advise", "--rule", "defaults-by-domain").out
    assert "{" not in shown
    assert "length: N epochs, as you said" in shown
    assert "optimizer: OPTIMIZER, as you asked" in shown


def test_a_causal_model_from_scratch_is_no_bert(lrbench: Lrbench) -> None:
    said = lrbench("advise", "train gpt2 from scratch on 10B tokens", "--json")
    found = json.loads(said.out)
    assert {"optimizer.args.weight_decay=0.1", "scheduler=cosine_floor_10pct", "optimizer.lr=6e-4"} <= {
        *found["overrides"]
    }
    of = {c["question"]: c for c in found["choices"]}
    for question in ("optimizer", "rate", "schedule", "warmup"):
        assert of[question]["source"].startswith("Brown et al. 2020")
    tuned = lrbench("advise", "--model", "gpt2", "--pretrained").out
    assert "scheduler=linear" in tuned


def test_a_claim_says_how_to_see_its_rule(lrbench: Lrbench) -> None:
    for claim in (c for c in KNOWN.values() if c.rule.startswith("advise.")):
        shown = lrbench("claims", "show", claim.id).out
        (see,) = re.findall(r"^  rule advise\.\S+; see it: lrbench (.*)$", shown, re.MULTILINE)
        assert lrbench(*see.split()).code == 0
        break  # each takes a while, and all are made by one line
    assert "see it" not in lrbench("claims", "show", "lint-no-dry-run").out


@pytest.mark.slow
def test_excuses_are_listed_and_answered(lrbench: Lrbench) -> None:
    listed = lrbench("advise", "--excuse").out
    assert len(re.findall(r"^ *\d+\. ", listed, re.MULTILINE)) == 16
    by_number, by_words = lrbench("advise", "--excuse", "9"), lrbench("advise", "--excuse", "one cycle is always best")
    assert by_number == by_words
    assert "evidence: " in by_number.out
    assert json.loads(lrbench("advise", "--excuse", "9", "--json").out)["n"] == 9
    assert len(json.loads(lrbench("advise", "--excuse", "--json").out)) == 16


@pytest.mark.slow
def test_help_teaches(lrbench: Lrbench) -> None:
    said = lrbench("advise", "--help")
    assert said.code == 0
    examples = re.findall(r"^  lrbench (advise \S.*?)(?:  .*)?$", said.out, re.MULTILINE)
    assert len(examples) >= 7
    for example in examples:
        ran: Said = lrbench(*shlex.split(example))
        assert (ran.code, ran.err) == (0, ""), example
    for words in (*CHOICES["goal"], *CHOICES["scheduler"], "Exit codes"):
        assert words in said.out


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("lrbench advise --domain d", ["detection", "detr"]),
        ("lrbench advise --model vit_", ["vit_ti", "vit_s", "vit_b", "vit_l"]),
        ("lrbench advise --goal ", [*CHOICES["goal"]]),
        ("lrbench advise --epochs ", []),
        ("lrbench advise ", []),
        ("lrbench adv", ["advise"]),
    ],
)
def test_the_tab_key(line: str, found: list[str]) -> None:
    offered, _ = offers(line)
    assert offered == found


def test_questions_are_about_facts() -> None:
    from lrbench.config.files import read

    for question in read(command.FOLDER / "questions.yaml"):
        assert question.keys() == {"fact", "ask", "decides"}
        assert question["fact"] in Facts.__dataclass_fields__


@pytest.mark.slow
def test_the_commands_of_excuses_run(lrbench: Lrbench) -> None:
    for e in excuses():
        command = shlex.split(e.see)[1:]
        ran = lrbench(*command, *(["--dry-run"] if command[0] == "compare" else []))
        assert ran.code == 0, (e.see, ran.err)
