"""Findings of overrides, composed quickly."""

from collections.abc import Iterator

import pytest
from check_support import Found

from lrbench.check.linter import Linter
from lrbench.check.proposed import Proposed
from lrbench.config.composer import composer
from lrbench.config.experiments import experiment_from


@pytest.fixture(scope="session")
def found() -> Iterator[Found]:
    linter = Linter()
    with composer() as composed:

        def of(*overrides: str) -> tuple[Proposed, ...]:
            return linter(experiment_from(composed(overrides).plain))

        yield of
