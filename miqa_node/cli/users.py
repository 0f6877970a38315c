"""``miqa-node users``: who may sign in, what they may do, and the tokens of programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from miqa_node.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.cli.output import Column, moment, print_json, print_line, print_table
from miqa_node.cli.store import transaction
from miqa_node.domain.access import Permission, Role, account_name

if TYPE_CHECKING:
    from miqa_node.store.users import User

app = typer.Typer(no_args_is_help=True, help="Accounts: list, add, role, link, disable, enable, token.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens of programs: add, list, revoke.")
app.add_typer(token_app, name="token")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
ROLES = "|".join(Role)


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all accounts."""
    from miqa_node.store import users  # noqa: PLC0415 - keeps --help fast

    with transaction(config, data_dir) as begun:
        found = users.every(begun)
    if as_json:
        print_json(
            [
                {"name": u.name, "role": u.role, "signs_in": _signs_in(u), "created_at": u.created_at.isoformat()}
                for u in found
            ]
        )
        return
    print_table(
        ("Name", "Role", "Signs in", "Since"),
        ((user.name, user.role.value, _signs_in(user), moment(user.created_at)) for user in found),
    )


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(metavar=ROLES, help="What the account is for.")] = Role.VIEWER,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Make an account, and print the link with which its owner chooses a password; a service gets tokens instead."""
    from miqa_node.store import users  # noqa: PLC0415

    name = account_name(name)
    with transaction(config, data_dir) as begun:
        users.add(begun, name, role, datetime.now(UTC))
    if role is Role.SERVICE:
        print_line(f"{name} is a program: miqa-node users token add {name} gives it a token.")
    else:
        link(name, config, data_dir)


@app.command()
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(metavar=ROLES, help="The new role.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Give an account another role, from its next request on."""
    from miqa_node.store import users  # noqa: PLC0415

    with transaction(config, data_dir) as begun:
        users.set_role(begun, account_name(name), role)


@app.command()
def link(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Print a new link, good once, with which the owner of an account chooses a password."""
    from miqa_node.errors import AccessError  # noqa: PLC0415
    from miqa_node.store import users  # noqa: PLC0415

    settings = settings_of(config, data_dir)
    now = datetime.now(UTC)
    with transaction(config, data_dir) as begun:
        user = users.load(begun, account_name(name))
        if user.disabled or user.role is Role.SERVICE or user.subject:
            raise AccessError(f"{user.name} {_signs_in(user)}: no password can be chosen for it.")
        until = now + timedelta(seconds=settings.access.invitation_lifetime_s)
        secret = users.invite(begun, user.name, until)
    print_line(f"{settings.web_url}/welcome/{secret}")
    typer.echo(f"Give this link to {user.name}. It works once, until {moment(until)}.", err=True)


@app.command()
def disable(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Shut an account out at once: sessions end, tokens are revoked. What it did stays under its name."""
    _set_disabled(name, config, data_dir, disabled=True)


@app.command()
def enable(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Let a disabled account in again; its tokens stay revoked."""
    _set_disabled(name, config, data_dir, disabled=False)


@token_app.command("add")
def add_token(
    name: Name,
    scope: Annotated[
        list[Permission] | None,
        typer.Option(metavar="|".join(Permission), help="What the token allows; repeatable, default is read."),
    ] = None,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    days: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=36500, help="Days until it ends; without it never.")
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Print a new token of an account. It is shown this once; only its hash is kept."""
    from miqa_node.errors import AccessError  # noqa: PLC0415
    from miqa_node.store import tokens, users  # noqa: PLC0415

    now = datetime.now(UTC)
    scopes = scope or [Permission.READ]
    with transaction(config, data_dir) as begun:
        user = users.load(begun, account_name(name))
        missing = [one.value for one in scopes if one not in user.role.permissions]
        if missing:
            raise AccessError(f"The role {user.role.value} of {user.name} does not allow {', '.join(missing)}.")
        if user.disabled:
            raise AccessError(f"{user.name} is disabled.")
        secret = tokens.add(begun, user.name, label, scopes, now, now + timedelta(days=days) if days else None)
    print_line(secret)


@token_app.command("list")
def list_tokens(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all tokens, without what they are."""
    from miqa_node.cli.output import to_json  # noqa: PLC0415
    from miqa_node.store import tokens  # noqa: PLC0415

    with transaction(config, data_dir) as begun:
        found = tokens.every(begun)
    if as_json:
        print_json([to_json(token) for token in found])
        return
    print_table(
        (Column("Number", number=True), "Account", "Label", "Scopes", "Made", "Ends", "Used last", "State"),
        (
            (str(t.token_id), t.name, t.label, " ".join(t.scopes), moment(t.created_at), _or_never(t.expires_at),
             _or_never(t.used_at), "revoked" if t.revoked_at else "in force")
            for t in found
        ),
    )  # fmt: skip


@token_app.command("revoke")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the token, see token list.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Refuse a token from now on."""
    from miqa_node.store import tokens  # noqa: PLC0415

    with transaction(config, data_dir) as begun:
        tokens.revoke(begun, number, datetime.now(UTC))


def _set_disabled(name: str, config: Path | None, data_dir: Path | None, *, disabled: bool) -> None:
    from miqa_node.store import users  # noqa: PLC0415

    with transaction(config, data_dir) as begun:
        users.set_disabled(begun, account_name(name), disabled=disabled, now=datetime.now(UTC))


def _signs_in(user: User) -> str:
    if user.disabled:
        return "is disabled"
    if user.role is Role.SERVICE:
        return "uses tokens"
    if user.subject:
        return "signs on at the site's provider"
    return "with a password" if user.password_hash else "has not chosen a password yet"


def _or_never(at: datetime | None) -> str:
    return moment(at) if at else "never"
