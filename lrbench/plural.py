"""A number of things in words."""


def plural(n: float, noun: str, spec: str = "") -> str:
    """`1 run`, `2 runs`; spec: how the number is written (`,` for thousands, `g` for what may be no whole number)."""
    return f"{n:{spec}} {noun}" if n == 1 else f"{n:{spec}} {noun}s"
