"""Names of findings have up to 64 characters in every table

PostgreSQL widens no column that a view shows, so all views on these tables, the site's too, are made anew with their
owners and rights. SQLite enforces no length: nothing changes there.

Revision ID: 0043
Revises: 0042
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic import op

from miqa_node.errors import SettingsError

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

TABLES = ("acquisition_findings", "label_findings", "logged_rejects")
DEPENDENTS = """
    WITH RECURSIVE dependent (oid, depth) AS (
        SELECT to_regclass(name)::oid, 0 FROM unnest(CAST(:tables AS text[])) AS name
        UNION ALL
        SELECT rule.ev_class, dependent.depth + 1 FROM dependent
            JOIN pg_depend AS link ON link.refobjid = dependent.oid AND link.classid = 'pg_rewrite'::regclass
            JOIN pg_rewrite AS rule ON rule.oid = link.objid AND rule.ev_class <> dependent.oid
    )
    SELECT view.oid, view.oid::regclass::text AS name, view.relkind, pg_get_viewdef(view.oid) AS query,
        quote_ident(pg_get_userbyid(view.relowner)) AS owner
    FROM (SELECT oid, max(depth) AS depth FROM dependent WHERE depth > 0 GROUP BY oid) AS deepest
        JOIN pg_class AS view ON view.oid = deepest.oid
    ORDER BY deepest.depth, name
"""
RIGHTS = """
    SELECT privilege_type AS privilege, is_grantable,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
    FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = :oid
"""


@dataclass(frozen=True)
class DependentView:
    name: str
    query: str
    owner: str
    grants: tuple[str, ...]


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    views = [_view(connection, row) for row in connection.execute(sa.text(DEPENDENTS), {"tables": list(TABLES)}).all()]
    for view in reversed(views):
        op.execute(f"DROP VIEW {view.name}")
    for table in TABLES:
        op.alter_column(table, "finding", type_=sa.String(64), existing_nullable=False)
    for view in views:
        op.execute(sa.text(f"CREATE VIEW {view.name} AS {view.query}".replace(":", "\\:")))
        op.execute(f"ALTER VIEW {view.name} OWNER TO {view.owner}")
        for grant in view.grants:
            op.execute(grant)


def _view(connection: sa.Connection, row: sa.Row[Any]) -> DependentView:
    if row.relkind != "v":
        raise SettingsError(
            f"{row.name} shows a column that must change: drop it, and make it again after this update."
        )
    grants = tuple(
        f"GRANT {one.privilege} ON {row.name} TO {one.grantee}{' WITH GRANT OPTION' if one.is_grantable else ''}"
        for one in connection.execute(sa.text(RIGHTS), {"oid": row.oid})
    )
    return DependentView(row.name, row.query, row.owner, grants)


def downgrade() -> None:
    """The version before also reads wider columns."""
