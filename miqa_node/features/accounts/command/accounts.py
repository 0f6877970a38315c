"""``miqa-node users``: accounts, their roles, and the tokens of programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.access import Permission, Role, account_name
from miqa_node.interfaces.cli.actor import login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.people import accounts, tokens, users
from miqa_node.runtime.people.accounts import signs_in
from miqa_node.runtime.work.served_ports import url_of_pages

app = typer.Typer(no_args_is_help=True, help="Accounts: list, add, role, link, reset-factor, disable, enable, token.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens of programs: add, list, rotate, revoke.")
app.add_typer(token_app, name="token")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
ROLES = "|".join(Role)


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all accounts."""
    with open_transaction(config, data_dir) as transaction:
        accounts = users.every(transaction)
    if as_json:
        print_json(
            [
                {"name": u.name, "role": u.role, "signs_in": signs_in(u), "created_at": u.created_at.isoformat()}
                for u in accounts
            ]
        )
        return
    print_table(
        ("Name", "Role", "Signs in", "Since"),
        ((user.name, user.role.value, signs_in(user), moment(user.created_at)) for user in accounts),
    )


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(metavar=ROLES, help="What the account is for.")] = Role.VIEWER,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Create an account, and print the link where its owner chooses a password; a service gets tokens instead."""
    name = account_name(name)
    with open_transaction(config, data_dir) as transaction:
        accounts.add(transaction, name, role, login(), datetime.now(UTC))
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
    with open_transaction(config, data_dir) as transaction:
        accounts.set_role(transaction, name, role, login(), datetime.now(UTC))


@app.command()
def link(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Print a new one-time link where the owner of an account chooses a password."""
    settings = settings_of(config, data_dir)
    name = account_name(name)
    with open_transaction(config, data_dir) as transaction:
        lifetime_s = settings.access.invitation_lifetime_s
        secret, until = accounts.link(transaction, name, lifetime_s, login(), datetime.now(UTC))
    print_line(f"{url_of_pages(settings)}/welcome/{secret}")
    typer.echo(f"Give this link to {name}. It works once, until {moment(until)}.", err=True)
    if not settings.web.public_url:
        typer.echo("It opens on this host; set web.public_url to the address that other machines use.", err=True)


@app.command("reset-factor")
def reset_factor(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Take the second factor of an account away, for somebody without phone and recovery codes."""
    with open_transaction(config, data_dir) as transaction:
        accounts.remove_factor(transaction, name, login(), datetime.now(UTC))


@app.command()
def disable(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Disable an account at once: sessions end, tokens are revoked. Its past actions keep its name."""
    _set_disabled(name, config, data_dir, disabled=True)


@app.command()
def enable(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Enable a disabled account; its tokens stay revoked."""
    _set_disabled(name, config, data_dir, disabled=False)


@token_app.command("add")
def add_token(
    name: Name,
    scope: Annotated[
        list[Permission] | None,
        typer.Option(metavar="|".join(Permission), help="What the token allows; repeatable, default is read."),
    ] = None,
    label: Annotated[str, typer.Option(metavar="TEXT", help="Purpose of the token.")] = "",
    days: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=36500, help="Days until it expires; 90 by default, never for displays."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Print a new token of an account. It is shown only once, because only its hash is stored."""
    scopes = scope or [Permission.READ]
    with open_transaction(config, data_dir) as transaction:
        secret = accounts.add_token(transaction, name, label, scopes, days, login(), datetime.now(UTC))
    print_line(secret)


@token_app.command("list")
def list_tokens(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all tokens, without their values."""
    now = datetime.now(UTC)
    with open_transaction(config, data_dir) as transaction:
        rows = tokens.every(transaction)
    if as_json:
        print_json([to_json(token) for token in rows])
        return
    print_table(
        (Column("Number", number=True), "Account", "Label", "Scopes", "Made", "Ends", "Used last", "State"),
        (
            (str(t.token_id), t.name, t.label, " ".join(t.scopes), moment(t.created_at), _or_never(t.expires_at),
             _or_never(t.used_at), "revoked" if t.revoked_at else "in force" if t.is_in_force(now) else "expired")
            for t in rows
        ),
    )  # fmt: skip


@token_app.command("rotate")
def rotate_token(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the token, see token list.")],
    overlap_hours: Annotated[
        float, typer.Option(metavar="N", min=0, max=8760, help="Hours during which the old one remains valid.")
    ] = accounts.OVERLAP_HOURS,
    days: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=36500, help="Days until it expires; as the old one else."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Print a new token that allows what an old one does; the old one ends after the overlap."""
    overlap = timedelta(hours=overlap_hours)
    with open_transaction(config, data_dir) as transaction:
        secret = accounts.rotate_token(transaction, number, overlap, days, login(), datetime.now(UTC))
    print_line(secret)


@token_app.command("revoke")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the token, see token list.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Revoke a token at once."""
    with open_transaction(config, data_dir) as transaction:
        accounts.revoke_token(transaction, number, login(), datetime.now(UTC))


def _set_disabled(name: str, config: Path | None, data_dir: Path | None, *, disabled: bool) -> None:
    with open_transaction(config, data_dir) as transaction:
        accounts.set_disabled(transaction, name, login(), datetime.now(UTC), disabled=disabled)


def _or_never(at: datetime | None) -> str:
    return moment(at) if at else "never"
