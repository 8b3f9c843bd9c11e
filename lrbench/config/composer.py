"""Many jobs composed at the price of few: Hydra composes once for each distinct choice of groups.

Hydra itself works in two steps: the chosen levels are merged, then the other overrides are applied in order. A job
therefore is a copy of what its groups make, with the rest applied by Hydra's own function. Most of the rest are plain
`key=value`: which value such an override leaves in the resolved configuration is found out once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrbench.config.compose import compose, hydra_running, resolved
from lrbench.config.hydra_errors import explain
from lrbench.config.schema import require_schema
from lrbench.errors import ConfigError

_ALONE = re.compile(r"\$\{oc\.env:[^${}]*\}")  # an interpolation that looks at no other option
Path = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One composed configuration as plain data, and the overrides that made it. Jobs share what is equal in them."""

    overrides: tuple[str, ...]
    plain: Mapping[str, Any]  # resolved
    typed: Mapping[str, Any]  # as typed: ${...} stays
    hydra: Mapping[str, Any]  # Hydra's own node

    @cached_property
    def config(self) -> DictConfig:
        return OmegaConf.create(dict(self.plain))


@contextmanager
def composer(hydra: Sequence[str] = ()) -> Iterator["Composer"]:
    """Composes jobs, with these overrides of Hydra's own node in each. Uses the running Hydra, or starts one."""
    with hydra_running():
        yield Composer(hydra)


class Composer:
    """Call it with a job's overrides. Raises ConfigError as a single run with these overrides would."""

    def __init__(self, hydra: Sequence[str]) -> None:
        self._hydra = list(hydra)
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        self._is_group = loader.repository.group_exists
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, tuple[Override, bool]] = {}
        self._bases: dict[tuple[str, ...], _Base] = {}

    def __call__(self, overrides: Sequence[str]) -> Job:
        try:
            job = self._composed(overrides)
        except ConfigError:
            raise
        except Exception:  # Hydra's own composing says it in its own order
            job = self._by_hydra(overrides)
        require_schema(job.plain)
        return job

    def _composed(self, overrides: Sequence[str]) -> Job:
        parsed = [self._parse(o) for o in overrides]
        groups = tuple(o for o, (_, sets_a_value) in zip(overrides, parsed, strict=True) if not sets_a_value)
        if groups not in self._bases:
            self._bases[groups] = _Base(compose([*self._hydra, *groups], with_hydra=True))
        base = self._bases[groups]
        plain, typed = base.changed([override for override, sets_a_value in parsed if sets_a_value])
        return Job(tuple(overrides), plain, typed, base.hydra)

    def _parse(self, text: str) -> tuple[Override, bool]:
        """An override, and whether it sets a value; each is parsed once."""
        if text not in self._parsed:
            override = self._parser.parse_override(text)
            self._parsed[text] = override, self._sets_a_value(override)
        return self._parsed[text]

    def _sets_a_value(self, override: Override) -> bool:
        """Whether Hydra applies this override after the levels are merged; else it chooses a level."""
        return isinstance(override.value(), dict) or not self._is_group(override.key_or_group)

    def _by_hydra(self, overrides: Sequence[str]) -> Job:
        try:
            base = _Base(compose([*self._hydra, *overrides], with_hydra=True))
        except Exception as error:
            raise explain(error, overrides) from error
        return Job(tuple(overrides), resolved(base.config), base.typed, base.hydra)


class _Base:
    """What a choice of groups makes, and what single overrides do to it."""

    def __init__(self, config: DictConfig) -> None:
        self.hydra: dict[str, Any] = _typed(config.hydra)
        OmegaConf.set_struct(config, False)
        del config["hydra"]
        OmegaConf.set_struct(config, True)
        self.config = config
        self.typed: Mapping[str, Any] = _typed(config)
        self._effects: dict[str, tuple[Path, Any] | None] = {}

    def changed(self, overrides: Sequence[Override]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The configuration with overrides applied in order: resolved, and as typed."""
        effects = [self._effect(o) for o in overrides]
        if self._plain is None or None in effects:
            config = applied(self.config, overrides)
            return resolved(config), _typed(config)
        plain: Mapping[str, Any] = self._plain
        typed = self.typed
        for path, value in filter(None, effects):
            plain, typed = _with(plain, path, value), _with(typed, path, value)
        return plain, typed

    @cached_property
    def _plain(self) -> Mapping[str, Any] | None:
        """The resolved configuration; None where an option follows others (two overrides may then do together what
        neither does alone), or has no value yet."""
        try:
            plain = resolved(self.config)
        except ConfigError:
            return None
        return plain if all(_ALONE.fullmatch(v) for v in _strings(self.typed) if "${" in v) else None

    def _effect(self, override: Override) -> tuple[Path, Any] | None:
        """The place that a plain `key=value` changes, and its value there; None if it is anything else."""
        line = str(override.input_line)
        if line not in self._effects:
            self._effects[line] = self._measured(override)
        return self._effects[line]

    def _measured(self, override: Override) -> tuple[Path, Any] | None:
        path = tuple(override.key_or_group.split("."))
        plain = override.type is OverrideType.CHANGE and "${" not in str(override.value())
        if not plain or self._plain is None or not _has(self._plain, path):
            return None
        # Hydra may merge a mapping or a list with what it finds; a single value takes the place of any before it.
        config = self.config.copy() if isinstance(override.value(), dict | list) else self._tried_on
        _apply(config, [override])
        within = OmegaConf.select(config, ".".join(path[:-1])) if path[1:] else config
        try:
            return path, resolved(OmegaConf.masked_copy(within, path[-1]))[path[-1]]
        except ConfigError:  # `key=???`: another override may give the value
            return None

    @cached_property
    def _tried_on(self) -> DictConfig:
        """A copy that single values are tried on, one after the other: none follows another."""
        return self.config.copy()


def applied(config: DictConfig, overrides: Sequence[Override]) -> DictConfig:
    """A copy with overrides applied."""
    copy = config.copy()
    _apply(copy, overrides)
    return copy


def _apply(config: DictConfig, overrides: Sequence[Override]) -> None:
    """By Hydra's own function. Raises ValueError."""
    try:
        ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)
    except OmegaConfBaseException as error:
        raise ValueError from error


def _typed(config: Any) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=False, enum_to_str=True)  # type: ignore[return-value]


def _with(tree: Mapping[str, Any], path: Path, value: Any) -> Mapping[str, Any]:
    """The tree with one value changed; everything beside the path is shared."""
    key, *rest = path
    return {**tree, key: _with(tree[key], tuple(rest), value) if rest else value}


def _has(tree: Any, path: Path) -> bool:
    """Whether the path leads to a value that is no mapping, through mappings only."""
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return not isinstance(tree, dict)


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping | list):
        for value in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _strings(value)
