"""Values of the tables of ``policy.toml``: what is missing or not allowed is said with what is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")
D = TypeVar("D")


def rules(table: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    """Every ``[[<key>]]``, or the one ``[<key>]``, as ``read`` reads it; ValueError names the one."""
    entries = table.get(key, ())
    if isinstance(entries, Mapping):
        entries = (entries,)
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError(f"{key} is {entries!r}; it must be a table: [[{key}]].")
    for place, entry in enumerate(entries, 1):
        try:
            yield read(entry)
        except ValueError as error:
            raise ValueError(f"{key} {place}: {error}") from error


def named(table: Mapping[str, Any], key: str, read: Callable[[str, Mapping[str, Any]], T]) -> Iterator[tuple[str, T]]:
    """Every ``[<key>.NAME]``, as ``read`` reads it; ValueError names the one."""
    entries = table.get(key, {})
    if not isinstance(entries, Mapping):
        raise ValueError(f"{key} is {entries!r}; it must be tables with names, such as [{key}.chest].")  # noqa: TRY004 - one kind for all
    for name, entry in entries.items():
        if not isinstance(entry, Mapping):
            raise ValueError(f"{key} {name!r} is {entry!r}; it must be a table: [{key}.{name}].")  # noqa: TRY004 - one kind for all
        try:
            yield name, read(name, entry)
        except ValueError as error:
            raise ValueError(f"{key} {name!r}: {error}") from error


def check_keys(table: Mapping[str, Any], keys: Sequence[str]) -> None:
    """ValueError if the table has others."""
    if unknown := sorted(set(table) - set(keys)):
        meant = [one for name in unknown for one in get_close_matches(name, keys, 1)]
        hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
        raise ValueError(f"there is no key {', '.join(unknown)}.{hint} The keys are {', '.join(keys)}.")


def required(table: Mapping[str, Any], key: str) -> str:
    """The text of a key; numbers are returned as text."""
    value = table.get(key, "")
    if value == "" or isinstance(value, Mapping | list | bool):
        raise ValueError(f"{key} is missing." if value == "" else f"{key} is {value!r}; it must be a text.")
    return str(value)


def number(table: Mapping[str, Any], key: str, default: D, most: float | None = None) -> float | D:
    """A number; with ``most`` one from 0 to that."""
    if key not in table:
        return default
    allowed = "a number" if most is None else f"a number from 0 to {most:g}"
    try:
        value = math.nan if isinstance(table[key], bool) else float(table[key])
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if math.isnan(value) or (most is not None and not 0.0 <= value <= most):
        raise ValueError(f"{key} is {table[key]!r}; it must be {allowed}.")
    return value


def flag(table: Mapping[str, Any], key: str, default: D) -> bool | D:
    """True or false."""
    if key not in table:
        return default
    value = table[key]
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}; it must be true or false.")  # noqa: TRY004 - one kind for all
    return value


def name_list(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of names."""
    names = table.get(key, ())
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{key} is {names!r}; it must be a list of names, such as ["a", "b"].')
    return tuple(names)


def close_to(name: str, names: Sequence[str]) -> str:
    """What somebody may have meant, as a question; empty if nothing is close."""
    meant = get_close_matches(name, names, 1)
    return f" Did you mean {meant[0]!r}?" if meant else ""
