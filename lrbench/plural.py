"""A number of things in words."""


def plural(n: float, noun: str, spec: str = "") -> str:
    """`1 run`, `2 runs`; what is written 1 is one. spec: how the number is written (`,` for thousands, `g` for what may
    be no whole number)."""
    return f"{(shown := f'{n:{spec}}')} {noun}{'s' * (shown != '1')}"
