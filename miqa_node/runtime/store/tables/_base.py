"""Metadata and column types shared by all tables."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in time: aware and UTC in Python, without zone in the database (SQLite knows none)."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Refuse naive times, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class PackedJson(sa.types.UserDefinedType[Any]):
    """JSON that is stored compressed; what was stored as text before is read as well. No SQL can look into it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The declared type that the column has always had; SQLite keeps any bytes in it."""
        return "JSON"

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], bytes]:  # noqa: ARG002 - SQLAlchemy's signature
        """Compress."""
        return lambda value: zlib.compress(json.dumps(value, separators=(",", ":")).encode(), PACKING_LEVEL)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[bytes | str | None], Any]:  # noqa: ARG002
        """Read either form."""
        return _unpacked


PACKING_LEVEL = 1
"""Higher levels save 7 % more and take longer."""


def _unpacked(value: bytes | str | None) -> Any:
    if value is None:  # an outer join
        return None
    return json.loads(zlib.decompress(value) if isinstance(value, bytes) else value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Uid = sa.String(64)
Digest = sa.String(64)
RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""An auto-incremented number; SQLite supports that for INTEGER only."""
FindingText = sa.String(64).with_variant(sa.String(32), "sqlite")
"""The name of a finding. Databases made before had 32 characters, which SQLite does not enforce and cannot change."""
LargeJson = sa.JSON().with_variant(PackedJson(), "sqlite")
"""A document of several kilobytes that is only read whole. PostgreSQL compresses such values by itself."""
PhraseParts = sa.JSON(none_as_null=True)
"""What the text of the column before was made of (runtime/store/phrase_columns.py)."""
