"""Assessments are stored compressed on SQLite

Those stored before stay as they are and are read as well. Programs of the version before cannot read the new ones, so
they end here; on PostgreSQL, which compresses by itself, nothing changes and they go on.

Revision ID: 0045
Revises: 0044
"""

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE compatibility SET oldest_schema = '0045'")


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    op.execute("UPDATE compatibility SET oldest_schema = '0035'")
    for table in ("assessments", "shadow_assessments"):
        packed = sa.text(f"SELECT rowid, document FROM {table} WHERE typeof(document) = 'blob'")  # noqa: S608 - names above
        plain = sa.text(f"UPDATE {table} SET document = :document WHERE rowid = :rowid")  # noqa: S608
        for rowid, document in connection.execute(packed).all():
            connection.execute(plain, {"rowid": rowid, "document": zlib.decompress(document).decode()})
