"""The settings of a file, by their names: which were taken, which were not there, and which nobody asked for."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lrbench.errors import ConfigError, as_typed
from lrbench.interop.foreign.read import NotLiteral

# What a setting is called that may move a rate. One of such a name that is neither taken nor known to leave the rates
# alone is refused.
MOVES = re.compile(
    r"(^|_)(lr|lrs)(_|$)|learning_rate|sched|warm|cool|cycle|decay|epoch|step|iter|mileston|gamma|momentum|anneal"
    r"|restart|patience|layerwise|layer_wise|freeze"
)


class Given:
    """`within` stands before the names in messages: `trainer.`."""

    def __init__(self, values: Mapping[str, Any], within: str = "") -> None:
        self.values, self.within = dict(values), within
        self.asked: set[str] = set()
        self.defaults: dict[str, Any] = {}

    def name(self, key: str) -> str:
        return f"{self.within}{key}"

    def get(self, key: str, default: Any = None) -> Any:
        """As it is; null counts as not given. Raises ConfigError for what only running the file would tell."""
        self.asked.add(key)
        found = self.values.get(key)
        if isinstance(found, NotLiteral):
            why = f"line {found.line} works this out when it is run, and nothing is run here"
            raise ConfigError(self.name(key), found.source, why, "write the value itself")
        if found is not None:
            return found
        if default not in (None, []):
            self.defaults[self.name(key)] = default
        return default

    def number(self, key: str, default: float | None = None) -> float:
        """A number, also one that YAML 1.1 takes for a word (1e-3). Raises ConfigError."""
        found = self.get(key, default)
        try:
            number = math.nan if isinstance(found, bool | None) else float(found)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.wrong(key, found, "a number", "0.1")
        return number

    def whole(self, key: str, default: int | None = None) -> int:
        """Raises ConfigError for what is no whole number."""
        number = self.number(key, default)
        if number != int(number):
            raise self.wrong(key, self.values.get(key), "a whole number", "100")
        return int(number)

    def count(self, key: str, default: int | None = None) -> int:
        """Raises ConfigError for what is no whole number above 0."""
        number = self.whole(key, default)
        if number < 1:
            raise self.wrong(key, self.values.get(key), "a whole number above 0", "1")
        return number

    def numbers(self, key: str, default: Collection[float] = ()) -> list[float]:
        """A list of numbers; one by itself counts as a list. Raises ConfigError."""
        found = self.get(key, list(default))
        items = found if isinstance(found, list | tuple) else [found]
        return [Given({key: item}, self.within).number(key) for item in items]

    def word(self, key: str, default: str | None = None) -> str:
        found = self.get(key, default)
        if not isinstance(found, str):
            raise self.wrong(key, found, "a word", "cosine")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        found = self.get(key, default)
        if not isinstance(found, bool):
            raise self.wrong(key, found, "true or false", "true")
        return found

    def part(self, key: str) -> "Given":
        """A mapping among the settings; an empty one where it is not there. Raises ConfigError for anything else."""
        found = self.get(key, None)
        if found is not None and not isinstance(found, dict):
            raise self.wrong(key, found, "a mapping", "{lr: 0.1}")
        return Given(found or {}, f"{self.name(key)}.")

    def require_any(self, what: str, *keys: str) -> None:
        """Raises ConfigError for a file that has none of these, and so is no such settings file."""
        if not any(key in self.values for key in keys):
            has = ", ".join(list(self.values)[:5]) or "nothing"
            raise ConfigError("import", "", f"this is not {what}: it has {has}, and none of {', '.join(keys)}")

    def wrong(self, key: str, found: Any, kind: str, example: str) -> ConfigError:
        missing = "it is not there" if found is None else f"this is not {kind}"
        return ConfigError(self.name(key), "" if found is None else found, missing, f"give {kind}, such as {example}")

    def without(self, *keys: str) -> None:
        """These are looked at, and nothing is taken from them."""
        self.asked.update(keys)

    def there(self, *keys: str) -> tuple[str, ...]:
        """The names of those that the file has."""
        return tuple(self.name(key) for key in keys if self.values.get(key) is not None)

    def rest(self) -> Iterator[tuple[str, Any]]:
        """What is set and was never asked for."""
        for key, value in self.values.items():
            if key not in self.asked and value not in (None, False, "", [], {}):
                yield key, value

    def not_taken(self, harmless: Collection[str] = (), groups: str = "") -> tuple[str, ...]:
        """The names of what is set and was not asked for. harmless: names that leave the rates alone, whatever they
        sound like; groups: a pattern of such names. Raises ConfigError for one that may move rates."""
        found = []
        for key, value in self.rest():
            plain = key in harmless or (groups and re.match(groups, key))
            if MOVES.search(key.lower()) and not plain and not _nothing(value):
                why = "it may move rates, and lrbench does not know how"
                cure = "take it out of the file if it does not, and import again"
                shown = value.source if isinstance(value, NotLiteral) else as_typed(value)
                raise ConfigError(self.name(key), shown, why, cure)
            found.append(self.name(key))
        return tuple(found)


def _nothing(value: Any) -> bool:
    return value in (0, 0.0)
