"""The seam ``miqa.pages``: one folder per page, with router, templates and navigation entry.

A page's templates are called ``<name of the plug-in>/<file>`` and extend ``base.html``; files in the folder
``static`` are served at ``/static/<name of the plug-in>/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from fastapi import APIRouter
from fastapi.routing import APIRoute

from miqa_node.core.domain.access import Permission
from miqa_node.plugins import Seam


@dataclass(frozen=True, slots=True)
class Navigation:
    """An entry of the bar at the top of every page, shown to people who may open it.

    A page says ``{% set section = "Worklist" %}`` to have its entry marked.
    """

    name: str
    address: str
    order: int = 100


class Trait(Enum):
    """What sets an address apart from all others; the shell treats it accordingly."""

    SIGN_IN = "where browsers go that have not signed in"
    KEY_IN_ADDRESS = "accepts a token in the address, because a wall display has no keyboard"
    POLLED = "every open page asks it by itself, so it keeps no session alive"
    OWN_ACCOUNT = "shows nothing but the user's own account, so nobody records who saw it"
    AUDIT_TRAIL = "shows the audit trail, which is recorded as such"
    TYPED_NAME = "has a name in the address that a person typed, which the audit trail does not keep"
    CSV_BODY = "takes tables, beside JSON"
    SIGNED_FORM = "takes a form that a program sent, authenticated by its signature"


@dataclass(frozen=True, slots=True)
class Page:
    """Routes that return a page, or JSON for programs.

    A route requires the permission that it names (``who: Reviewer``), otherwise that of its page. A page without a
    permission cannot be opened. Changes must come from the node's own pages (web.access.check_csrf).
    """

    router: APIRouter
    permission: Permission | None = None
    file: str = ""
    """``__file__`` of its module; its templates and a folder ``static`` lie beside it."""
    navigation: Navigation | None = None
    public: bool = False
    """Accessible without signing in, such as the sign-in page."""
    rest: bool = False
    """For programs: JSON, and listed in the OpenAPI document."""
    programs: bool = False
    """Open to programs' accounts although it is not REST: pictures, and displays on walls."""

    traits: Mapping[str, Trait] = field(default_factory=dict)
    """By address: what sets it, and those below it, apart."""

    def __post_init__(self) -> None:
        if any(not isinstance(route, APIRoute) for route in self.router.routes):
            raise ValueError("A page may only have routes: WebSockets and mounts would bypass authentication.")

    @property
    def folder(self) -> Path | None:
        """The folder of its templates."""
        return Path(self.file).parent if self.file else None


NO_PERMISSION_NAMED = "This page names no permission, so it cannot be opened."
PAGES = Seam("pages", Page)


def has_trait(path: str, trait: Trait) -> bool:
    """Whether an address is one of them, or lies below one."""
    return any(path == one or path.startswith(f"{one}/") for one in addresses_of(trait))


def addresses_of(trait: Trait) -> Iterator[str]:
    """All addresses with the trait."""
    for page in PAGES.all().values():
        yield from (address for address, one in page.traits.items() if one is trait)
