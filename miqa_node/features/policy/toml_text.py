"""A policy as text: one entry of a rule on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 116
"""Longest line of a list that could be broken."""
Table = Mapping[str, Any]
Rules = Sequence[tuple[Table, Sequence[Table]]]
"""What entries have in common, and the entries."""


def inline(value: object) -> str:
    """A value on one line.

    >>> inline({"name": "a b", "above": 6, "x y": [True, "é"]})
    '{ name = "a b", above = 6, "x y" = [true, "é"] }'
    """
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {inline(one)}' for key, one in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def policy_text(version: str, where: Table, evidence: Table, rules: Rules, packages: Sequence[Table]) -> str:
    """The whole file."""
    parts = [f"version = {inline(version)}"]
    for kind, tables in (("where", where), ("evidence", evidence)):
        parts += [_table(f"[{kind}.{inline(name)}]", table) for name, table in tables.items()]
    parts += [_table("[[rule]]", _joined(shared, entries)) for shared, entries in rules]
    parts += [_table("[[package]]", one) for one in packages]
    return "\n\n".join(parts) + "\n"


def _joined(shared: Table, entries: Sequence[Table]) -> Table:
    """A rule with its entries; what all of them say stands above them."""
    if len(entries) == 1:
        return {**shared, **entries[0]}
    thens = {one.get("then") for one in entries}
    if len(thens) > 1 or None in thens:
        return {**shared, "each": entries}
    rest = [{key: one for key, one in entry.items() if key != "then"} for entry in entries]
    return {**shared, "then": thens.pop(), "each": rest}


def _table(head: str, table: Table) -> str:
    return "\n".join((head, *(f"{_key(key)} = {_value(one, len(key))}" for key, one in table.items())))


def _value(value: object, indent: int) -> str:
    """A list of tables with a line for each, a long list on several lines, anything else on one."""
    text = inline(value)
    if not isinstance(value, list | tuple) or not value:
        return text
    has_tables = isinstance(value[0], Mapping)
    if not has_tables and len(text) + indent <= WIDTH:
        return text
    lines = (f"{inline(one)}," for one in value) if has_tables else _filled(value)
    return "\n".join(("[", *(f"    {line}" for line in lines), "]"))


def _filled(values: Sequence[object]) -> Iterator[str]:
    line = ""
    for text in map(inline, values):
        if line and len(line) + len(text) > WIDTH:
            yield line
            line = ""
        line += f"{' ' if line else ''}{text},"
    yield line


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else inline(name)
