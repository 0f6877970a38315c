"""The name that actions of the command line are recorded with."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

Actor = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who does it; default is the name of the login.")
]


def login() -> str:
    """The name of the login."""
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise typer.BadParameter("this login has no name; say who you are with --as NAME") from error
