"""What a run says of its cell."""

from types import SimpleNamespace

import pytest
from study_world import rules

from lrbench.errors import ConfigError
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.bench import outcome_of


def run(**summary):
    return SimpleNamespace(run_id="0123456789ab", standing="finished", summary=summary)


def test_of_a_metric_of_0_nothing_is_a_fraction():
    loss = {"metric": "test/loss", "judge": "val/loss", "higher": False, "chance": None}
    asked = rules(kind="fraction", claims={"b": ClaimedEffect(low=0.9)}, **loss)
    done = run(**{"val/loss": 0.1, "test/loss": 0.0})
    assert outcome_of(done, rules(**loss), measured=True).metric == 0.0
    assert outcome_of(done, asked, measured=False).judge == 0.1
    with pytest.raises(ConfigError, match="test/loss is 0 in the run 0123456789ab, of which nothing is a fraction"):
        outcome_of(done, asked, measured=True)
