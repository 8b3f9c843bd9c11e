"""Overrides are composed by the composer of sweeps, which composes each choice of levels once: a tenth of the time."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from lrbench.config import plans
from lrbench.config.composer import composer

as_it_is = plans._composed


@pytest.fixture(autouse=True, scope="session")
def composed_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, composer() as composed:

        def quick(overrides: Sequence[str]) -> Any:
            return composed(overrides).config

        patch.setattr(plans, "_composed", quick)
        yield


@pytest.fixture
def composed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_composed", as_it_is)
