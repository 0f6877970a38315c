"""Access control: the roles of people and programs, and the permissions of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.errors import AccessError

MAX_NAME_CHARACTERS = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


class Permission(StrEnum):
    """The permission that an operation requires; also the scope of a token."""

    DISPLAY = "display"
    """See the room display: no patient data."""
    READ = "read"
    """See studies, pictures and figures."""
    REVIEW = "review"
    """Claim and decide studies, draw regions."""
    UPLOAD = "upload"
    """Upload images through the pages or the REST interface."""
    ADMIN = "admin"
    """Administer the node: scheduled reports, models, people."""


class Role(StrEnum):
    """The role of an account, which sets its permissions."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    SERVICE = "service"
    """A program: it has tokens, no password and no pages."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """All permissions of an account with this role."""
        return _PERMISSIONS[self]


_LOOK = frozenset({Permission.DISPLAY, Permission.READ})
_DECIDE = _LOOK | {Permission.REVIEW, Permission.UPLOAD}
_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _LOOK,
    Role.REVIEWER: _DECIDE,
    Role.ADMIN: frozenset(Permission),
    Role.SERVICE: _DECIDE,
}


class Means(StrEnum):
    """How a request identifies its sender."""

    NOTHING = "nothing"
    """Not at all."""
    HOST = "host"
    """It comes from the node's own host, and the node has no accounts yet."""
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a word, no secret


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request. ``name`` is empty before sign-in and on the node's host, where people type it."""

    means: Means
    name: str = ""
    role: Role | None = None
    permissions: frozenset[Permission] = frozenset()
    csrf: str = ""
    """The token that a form of this session must send back."""

    @property
    def actor(self) -> str:
        """The name recorded for its actions; *this host* for requests from the node's own host without sign-in."""
        return "this host" if self.means is Means.HOST else self.name

    def may(self, permission: Permission) -> bool:
        """Whether it has the permission."""
        return permission in self.permissions


NOBODY = Principal(Means.NOTHING)


def account_name(text: str) -> str:
    """The name in its stored form, in lower case; AccessError if it is not valid.

    >>> account_name("Mara.Kunz@example.org")
    'mara.kunz@example.org'
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise AccessError(
            "A name has at most {max_name_characters} of the characters a-z 0-9 . _ @ + - and begins with a-z or 0-9.",
            max_name_characters=MAX_NAME_CHARACTERS,
        )
    return name
