"""People and programs that use the node, and what they did."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import RowId, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, SECRET, SITE, STAFF, kept

# Accounts of people and programs. "password_hash" is empty for those who sign on elsewhere or never;
# "subject" is issuer and subject of the site's sign-on (OIDC). Accounts are disabled, never removed.
users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True, info=STAFF),
    sa.Column("role", sa.String(16), nullable=False, info=CODE),
    sa.Column("password_hash", sa.Text, nullable=False, info=SECRET),
    sa.Column("subject", sa.Text, unique=True, info=SECRET),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# One row per signed-in browser. Only the SHA-256 of the cookie's secret is kept. Of those that signed on at
# the site's provider: its name of the session, a refresh token that only the cookie opens, when it last confirmed the
# person, and when it was last asked.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True, info=SECRET),
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True, info=STAFF),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("provider_sid", sa.Text, info=SECRET),
    sa.Column("sealed", sa.Text, info=SECRET),
    sa.Column("checked_at", UtcDateTime),
    sa.Column("asked_at", UtcDateTime),
)

# Tokens of programs; only their SHA-256 is kept. "scopes" are words with a space between.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", RowId, primary_key=True),
    sa.Column("token_sha256", sa.String(64), nullable=False, unique=True, info=SECRET),
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True, info=STAFF),
    sa.Column("label", sa.Text, nullable=False, info=SITE),
    sa.Column("scopes", sa.Text, nullable=False, info=CODE),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
)

# Links that may be used once: to set the node up ("name" is empty), or to choose a password.
invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True, info=SECRET),
    sa.Column("name", sa.String(64), nullable=False, info=STAFF),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

# Keys of authenticator apps (TOTP), in base32; in force once a code was seen. "step" is the last time step used.
second_factors = sa.Table(
    "second_factors",
    metadata,
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), primary_key=True, info=STAFF),
    sa.Column("key", sa.Text, nullable=False, info=SECRET),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("step", sa.BigInteger, nullable=False),
)

# Recovery codes: each works once in place of a code; only the SHA-256 with the name is kept.
recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("code_sha256", sa.String(64), primary_key=True, info=SECRET),
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True, info=STAFF),
)

# Browsers between password and code. Only the SHA-256 of the cookie's secret is kept.
half_sign_ins = sa.Table(
    "half_sign_ins",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True, info=SECRET),
    sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, info=STAFF),
    sa.Column("target", sa.Text, nullable=False, info=kept("an address of this node, for the minutes of a sign-in")),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

# Sign-ins and attempts; rows are only added. A name without an account is not stored: it may be a
# password that was typed into the wrong field.
sign_ins = sa.Table(
    "sign_ins",
    metadata,
    sa.Column("sign_in_id", RowId, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("name", sa.String(64), nullable=False, info=STAFF),
    sa.Column("peer_address", sa.Text, nullable=False, info=DEVICE),
    sa.Column("means", sa.String(16), nullable=False, info=CODE),
    sa.Column("outcome", sa.String(16), nullable=False, info=CODE),
    sa.Index("ix_sign_ins_name", "name", "at"),
    sa.Index("ix_sign_ins_peer_address", "peer_address", "at"),
)

# Actions on accounts and tokens, by page or command; rows are only added.
account_events = sa.Table(
    "account_events",
    metadata,
    sa.Column("event_id", RowId, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("name", sa.String(64), nullable=False, index=True, info=STAFF),
    sa.Column("action", sa.String(16), nullable=False, info=CODE),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("detail", sa.Text, nullable=False, info=SITE),
)
