"""What YAML makes of a study's values, held against what they have to be."""

from typing import Any

from lrbench.errors import ConfigError


def texts(option: str, given: Any, example: str) -> list[str]:
    """A list of texts. Raises ConfigError for anything else; a text is no list, though Python takes it for one."""
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise ConfigError(option, given, "this is no list of texts", f"as in {option}: [{example}]")
    return given


def number(option: str, given: Any) -> float:
    """A number, which YAML takes for a text where it is written 1e-3. Raises ConfigError."""
    try:
        return float(str(given))
    except ValueError as error:
        raise ConfigError(option, given, "this is no number", "as in 0.05") from error


def whole(option: str, given: Any) -> int:
    """A whole number. Raises ConfigError for a text or a share of one."""
    if type(given) is not int:
        raise ConfigError(option, given, "this is no whole number")
    return given
