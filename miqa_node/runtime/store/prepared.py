"""Statements of which only the values change: compiled once, then executed by the driver in the same transaction.

SQLAlchemy takes about three times as long to prepare one execution as driver and database take for such a statement,
and several dozen of them run for every image, some before its sender gets the response.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

Convert = Callable[[Any], Any] | None
"""Turns a value into what the driver takes, or back; None if it needs no change."""
_row_class: Callable[..., Any] = namedtuple  # noqa: PYI024 - the names follow from the statement


def each(dialect: str, name: str, kind: sa.types.TypeEngine[Any]) -> sa.TableValuedAlias:
    """The values of a list as rows with the column ``value``; the list is one parameter, whatever its length."""
    if dialect == "sqlite":
        return sa.func.json_each(sa.bindparam(name, type_=sa.JSON)).table_valued("value")
    return sa.func.unnest(sa.bindparam(name, type_=sa.ARRAY(kind))).table_valued("value").render_derived()


def among(dialect: str, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether the column has one of the values of a list."""
    return column.in_(sa.select(each(dialect, name, column.type).c.value))


class DriverStatement:
    """One statement; ``build`` makes it for the name of a dialect.

    It takes values by the name of a column or of a parameter; for lists, see :func:`each`. Errors are SQLAlchemy's.
    """

    def __init__(self, build: Callable[[str], Any]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, tuple[str, ...]], _DriverSql] = {}

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """Execute it; returns the first row, None without one. Its values are attributes as in SQLAlchemy's rows."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def all(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[Any]:
        """Execute it; returns all rows."""
        dialect = connection.dialect
        key = dialect.name, tuple(values)
        compiled = self._compiled.get(key) or self._compile(key, dialect)
        driver: Any = connection.connection.driver_connection
        try:
            cursor = driver.execute(compiled.sql, compiled.parameters(values))
            rows = cursor.fetchall() if compiled.columns else ()
        except dialect.loaded_dbapi.Error as error:
            # As for any other statement: translates the error, and drops a connection that is lost.
            connection._handle_dbapi_exception(error, compiled.sql, None, None, None)  # noqa: SLF001
        return compiled.rows(rows, cursor.description, dialect) if rows else []

    def _compile(self, key: tuple[str, tuple[str, ...]], dialect: sa.Dialect) -> _DriverSql:
        name, columns = key
        statement = self._build(name)
        compiled = statement.compile(dialect=dialect, column_keys=list(columns))
        names = compiled.positiontup if compiled.positional else list(compiled.binds)
        binds = [(name, compiled.binds[name]) for name in names]
        converts = [(name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in binds]
        constants = {name: bind.value for name, bind in binds if name not in columns}
        self._compiled[key] = _DriverSql(
            str(compiled), converts, constants, compiled.positional, tuple(statement.exported_columns)
        )
        return self._compiled[key]


@dataclass
class _DriverSql:
    """SQL, the values it takes in order, those that are always the same, and the columns of its rows."""

    sql: str
    converts: list[tuple[str, Convert]]
    constants: Mapping[str, Any]
    is_positional: bool
    columns: tuple[sa.ColumnElement[Any], ...]
    _back: list[Convert] | None = None
    """How values of rows are read. Some types depend on what the driver says about the first row."""

    def __post_init__(self) -> None:
        names = [str(getattr(column, "key", None)) for column in self.columns]
        self._row = _row_class("Row", names, rename=True)

    def parameters(self, values: Mapping[str, Any]) -> list[Any] | dict[str, Any]:
        """The values as the driver takes them."""
        if self.constants:
            values = {**self.constants, **values}
        if self.is_positional:
            return [values[name] if convert is None else convert(values[name]) for name, convert in self.converts]
        return {name: values[name] if convert is None else convert(values[name]) for name, convert in self.converts}

    def rows(self, rows: list[tuple[Any, ...]], description: Any, dialect: sa.Dialect) -> list[Any]:
        """The rows as SQLAlchemy gives them."""
        if self._back is None:
            kinds = zip(self.columns, description, strict=True)
            self._back = [one.type.dialect_impl(dialect).result_processor(dialect, kind[1]) for one, kind in kinds]
        back = self._back
        return [
            self._row._make([value if read is None else read(value) for value, read in zip(row, back, strict=True)])
            for row in rows
        ]
