"""Attribute matching (PS3.4 C.2.2.2, PS3.18 8.3.4) as SQL conditions, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from miqa_node.core.domain.instance import can_name
from miqa_node.core.domain.search_keys import SEPARATOR, SearchKey, normal_name, normal_value
from miqa_node.errors import QueryError
from miqa_node.runtime.store.database import Transaction

MAX_UIDS = 100
MAX_VALUE_CHARACTERS = 1024

Columns = Mapping[str, sa.ColumnElement[str]]
Condition = sa.ColumnElement[bool]

_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?(\.\d{1,6})?")


def sequence_matches(transaction: Transaction, values: Mapping[SearchKey, str], columns: Columns) -> Condition | None:
    """The condition for the keys of one sequence: a single item must match all of them (C.2.2.2.6)."""
    conditions: list[Condition] = []
    places: list[sa.ColumnElement[int]] = []
    for key, value in values.items():
        items = _items(transaction, columns[key.columns[0]])
        condition = matches(transaction, key, {key.columns[0]: items.c.value}, value)
        if condition is not None:
            conditions.append(condition)
            places.append(items.c.key)
    same = (place == places[0] for place in places[1:])
    return sa.exists().where(*conditions, *same) if conditions else None


def _items(transaction: Transaction, column: sa.ColumnElement[str]) -> sa.TableValuedAlias:
    """The values of a column of a sequence as rows, each with the place of its item."""
    if transaction.dialect.name == "sqlite":
        array = "[" + sa.func.replace(sa.func.json_quote(column), SEPARATOR * 2, '","') + "]"
        return sa.func.json_each(array).table_valued(sa.column("value", sa.Text), "key").alias()
    values = sa.func.string_to_array(column, SEPARATOR)
    return sa.func.unnest(values).table_valued(sa.column("value", sa.Text), with_ordinality="key").render_derived()


def matches(transaction: Transaction, key: SearchKey, columns: Columns, value: str) -> Condition | None:
    """The condition for a value of a query; None if it matches everything (universal matching).

    Raises
    ------
    QueryError
        The value is not valid for this attribute.
    """
    value = value.strip()
    if not value.strip("*"):
        return None
    if len(value) > MAX_VALUE_CHARACTERS:
        raise QueryError(
            "The value of {keyword} is longer than {max_value_characters} characters.",
            keyword=key.keyword,
            max_value_characters=MAX_VALUE_CHARACTERS,
        )
    if key.vr == "PN":
        return _name(transaction, key, columns, value)
    how = _BY_VR.get(key.vr, _text)
    return how(transaction, key, columns[key.columns[0]], value)


def _text(transaction: Transaction, _key: SearchKey, column: sa.ColumnElement[str], value: str) -> Condition:
    """Single value and wild card matching."""
    return _like(transaction, column, normal_value("LO", value))


def _code(transaction: Transaction, _key: SearchKey, column: sa.ColumnElement[str], value: str) -> Condition:
    """A code string; a comma-separated list matches any of its values."""
    return sa.or_(*(_like(transaction, column, one.strip()) for one in _list(value) or [value]))


def _uid(_transaction: Transaction, key: SearchKey, column: sa.ColumnElement[str], value: str) -> Condition:
    """List of UID matching (C.2.2.2.2)."""
    uids = _list(value)
    if len(uids) > MAX_UIDS or not all(can_name(uid) for uid in uids):
        raise QueryError("{keyword} is a UID, or at most {max_uids} of them.", keyword=key.keyword, max_uids=MAX_UIDS)
    return column.in_(uids)


def _number(_transaction: Transaction, key: SearchKey, column: sa.ColumnElement[str], value: str) -> Condition:
    if not re.fullmatch(r"[+-]?\d{1,12}", value):
        raise QueryError("{keyword} is a whole number.", keyword=key.keyword)
    return column == normal_value("IS", value)


def _date(_transaction: Transaction, key: SearchKey, column: sa.ColumnElement[str], value: str) -> Condition:
    """Single value and range matching (C.2.2.2.5)."""
    first, last = _range(key, value, _DATE, "YYYYMMDD")
    return _between(column, first, last)


def _time(_transaction: Transaction, key: SearchKey, column: sa.ColumnElement[str], value: str) -> Condition:
    """The same for times; missing components match any value: "09" is from 09:00:00 to just before 10:00:00."""
    first, last = _range(key, value, _TIME, "HHMMSS.FFFFFF")
    return _between(column, normal_value("TM", first), _last_moment(last))


def _range(key: SearchKey, value: str, form: re.Pattern[str], says: str) -> tuple[str, str]:
    first, dash, last = (part.strip() for part in value.partition("-"))
    if not dash:
        last = first
    if not (first or last) or not all(form.fullmatch(edge) for edge in (first, last) if edge):
        raise QueryError(
            "{keyword} is {says}, or a range with a hyphen: from-to, from-, -to.", keyword=key.keyword, says=says
        )
    return first, last


def _between(column: sa.ColumnElement[str], first: str, last: str) -> Condition:
    """A range condition, which no object without a value matches."""
    conditions = [column != ""]
    if first:
        conditions.append(column >= first)
    if last:
        conditions.append(column <= last)
    return sa.and_(*conditions)


def _last_moment(time: str) -> str:
    if not time:
        return ""
    whole, _, fraction = time.partition(".")
    return f"{whole}{'595960'[len(whole) :]}.{fraction:9<6}"


def _name(transaction: Transaction, key: SearchKey, columns: Columns, value: str) -> Condition:
    """Name matching ignores case (C.2.2.2.1). Without "=", the value matches any of the three component groups."""
    if not value.strip("^= "):  # would be the empty name, which matches every missing group
        raise QueryError("{keyword} has no name in it.", keyword=key.keyword)
    groups = [columns[name] for name in key.columns]
    if "=" not in value:
        return sa.or_(*(_like(transaction, group, normal_name(value)) for group in groups))
    parts = [normal_name(part) for part in value.split("=")]
    if len(parts) > len(groups):
        raise QueryError("{keyword} has three component groups: alphabetic=ideographic=phonetic.", keyword=key.keyword)
    pairs = zip(groups, parts, strict=False)
    return sa.and_(sa.true(), *(_like(transaction, group, part) for group, part in pairs if part.strip("*")))


def _like(transaction: Transaction, text: sa.ColumnElement[str], pattern: str) -> Condition:
    """Case-sensitive wild card matching (C.2.2.2.4): SQLite's LIKE would match "a" with "A"."""
    if not set(pattern) & {"*", "?"}:
        return text == pattern
    if transaction.dialect.name == "sqlite":
        return text.bool_op("GLOB")(pattern.replace("[", "[[]"))
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return text.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def _list(value: str) -> list[str]:
    return [one for one in re.split(r"[,\\\s]+", value) if one]


_BY_VR: Mapping[str, Callable[[Transaction, SearchKey, sa.ColumnElement[str], str], Condition]] = {
    "CS": _code,
    "DA": _date,
    "IS": _number,
    "TM": _time,
    "UI": _uid,
}
