"""Who may do what: the roles of people and programs, and what each of them is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.errors import AccessError

MAX_NAME_CHARACTERS = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


class Permission(StrEnum):
    """What an operation asks for; also the scopes that a token can be given."""

    DISPLAY = "display"
    """See the room display: no patient data."""
    READ = "read"
    """See studies, pictures and figures."""
    REVIEW = "review"
    """Claim and decide studies, draw regions."""
    UPLOAD = "upload"
    """Hand images in by the pages or the REST interface."""
    ADMIN = "admin"
    """Change how the node works: reports by schedule, models, people."""


class Role(StrEnum):
    """What an account is for."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    SERVICE = "service"
    """A program: it has tokens, no password and no pages."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """The most that an account of this role may do."""
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
    """How a request shows who sent it."""

    NOTHING = "nothing"
    """It does not."""
    HOST = "host"
    """It comes from the host that the node runs on, and the node has no accounts yet."""
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a word, no secret


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request. ``name`` is empty for nobody and for this host, where people type theirs."""

    means: Means
    name: str = ""
    role: Role | None = None
    permissions: frozenset[Permission] = frozenset()
    csrf: str = ""
    """What a form of this session must send back."""

    def may(self, permission: Permission) -> bool:
        """Whether it is allowed."""
        return permission in self.permissions


NOBODY = Principal(Means.NOTHING)


def account_name(text: str) -> str:
    """The name as it is kept, in small letters; AccessError when it is none.

    >>> account_name("Mara.Kunz@example.org")
    'mara.kunz@example.org'
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise AccessError(
            f"A name has at most {MAX_NAME_CHARACTERS} of the characters a-z 0-9 . _ @ + - and begins with a-z or 0-9."
        )
    return name
