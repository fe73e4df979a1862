"""Arguments that are wrong are told by name before anything runs."""

from __future__ import annotations

import operator
from typing import Any, Sequence


def integer(name: str, value: Any, lowest: int = 1, highest: int = 2**31 - 1, default: int = 0) -> int:
    """The number, or ``default`` for None."""
    if value is None:
        return default
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected an integer") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, expected an integer")
    if not lowest <= number <= highest:
        raise ValueError(f"{name} is {number}, expected {lowest} to {highest}")
    return number


_DEFAULTS = {"batch_size": 32, "max_batch_tokens": 16384}


def counts(**values: Any) -> dict[str, int]:
    """Numbers from 1 on by their names, as fields of options; 0, a field's default, for None."""
    return {name: integer(name, value, default=_DEFAULTS.get(name, 0)) for name, value in values.items()}


def real(name: str, value: Any, lowest: float, highest: float) -> float:
    """The number; 0.0 for None."""
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) and not hasattr(value, "__float__"):
        raise TypeError(f"{name} is {value!r}, expected a number")
    number = float(value)
    if not lowest <= number <= highest:
        raise ValueError(f"{name} is {number}, expected {lowest} to {highest}")
    return number


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, expected True or False")
    return value


def switch(name: str, value: Any) -> int:
    """0 for None, 1 for True, 2 for False."""
    return 0 if value is None else 1 if flag(name, value) else 2


def choice(name: str, value: Any, choices: Sequence[str]) -> int:
    """The place of the word, from 1; 0 for None."""
    if value is None:
        return 0
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, expected a str")
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
    return choices.index(value) + 1


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}, expected a str")
    return value


def optional_text(name: str, value: Any) -> str | None:
    return None if value is None else text(name, value)
