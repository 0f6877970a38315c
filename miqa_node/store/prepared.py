"""Statements of which only the values change: compiled once, then executed by the driver in the same transaction.

SQLAlchemy takes about three times as long to prepare one execution as driver and database take for such a statement,
and several of them run for every received object before its sender gets the response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

Convert = Callable[[Any], Any] | None
"""Turns a value into what the driver takes; None if it needs no change."""


Compiled = tuple[str, list[tuple[str, Convert]], bool]
"""SQL, the values it takes in order, and whether it takes them by position."""


class DriverStatement:
    """One statement; ``build`` makes it for the name of a dialect."""

    def __init__(self, build: Callable[[str], Any]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, tuple[str, ...]], Compiled] = {}

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Execute it with values by column; returns the first row, None without one. Errors are SQLAlchemy's."""
        dialect = connection.dialect
        key = dialect.name, tuple(values)
        sql, parameters, positional = self._compiled.get(key) or self._compile(key, dialect)
        pairs = [(name, values[name] if convert is None else convert(values[name])) for name, convert in parameters]
        driver: Any = connection.connection.driver_connection
        try:
            cursor = driver.execute(sql, [value for _, value in pairs] if positional else dict(pairs))
            rows = cursor.fetchall() if cursor.description else ()
        except dialect.loaded_dbapi.Error as error:
            # As for any other statement: translates the error, and drops a connection that is lost.
            connection._handle_dbapi_exception(error, sql, None, None, None)  # noqa: SLF001
        return rows[0] if rows else None

    def _compile(self, key: tuple[str, tuple[str, ...]], dialect: sa.Dialect) -> Compiled:
        name, columns = key
        compiled = self._build(name).compile(dialect=dialect, column_keys=list(columns))
        names = compiled.positiontup if compiled.positional else list(compiled.binds)
        converts = [compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        self._compiled[key] = str(compiled), list(zip(names, converts, strict=True)), compiled.positional
        return self._compiled[key]
