"""Studies are looked at when people decided about them, too

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_announcements_quiet_since", "announcements")
    op.alter_column("announcements", "quiet_since", new_column_name="look_at")
    op.create_index(op.f("ix_announcements_look_at"), "announcements", ["look_at"])


def downgrade() -> None:
    op.drop_index("ix_announcements_look_at", "announcements")
    op.alter_column("announcements", "look_at", new_column_name="quiet_since")
    op.create_index(op.f("ix_announcements_quiet_since"), "announcements", ["quiet_since"])
