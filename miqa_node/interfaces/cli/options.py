"""Options that many commands share, and the settings that they lead to."""

from __future__ import annotations

import logging
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node import plugins
from miqa_node.core.domain.calendar import FIRST_DAY, FIRST_MOMENT, LAST_DAY
from miqa_node.core.language.local_time import SITE_ZONE
from miqa_node.core.observe.log import set_up_logging
from miqa_node.core.settings import LogLevel, Settings, load_settings
from miqa_node.interfaces.cli.progress_bar import JSON

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="TOML file with the site's settings.", envvar="MIQA_CONFIG", is_eager=True
    ),
]
"""Read before all others: a time without an offset is one of the site's clock."""
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Folder with everything that the node keeps (node.data_dir)."),
]
Authority = Annotated[
    str | None,
    typer.Option(
        "--authority",
        metavar="NAME",
        help='Who assigned the Patient ID (0010,0021), if several did; "" is the site\'s own numbering.',
    ),
]
_SPAN = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read_moment(text: str) -> datetime:
    """A time from the command line: ISO 8601 with or without an offset, or 90m, 24h, 7d ago."""
    if span := _SPAN.fullmatch(text):
        now, ago = datetime.now(UTC), timedelta(**{_UNITS[span[2]]: int(span[1])})
        if ago > now - FIRST_MOMENT:
            raise _not_in_calendar(text)
        return now - ago
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            "write 2026-01-31, 2026-01-31T08:00+01:00, or a relative time such as 90m, 24h or 7d"
        ) from error
    if not FIRST_DAY <= at.date() <= LAST_DAY:
        raise _not_in_calendar(text)
    return at


def _on_site_clock(ctx: typer.Context, at: datetime | None) -> datetime | None:
    if at is None or at.tzinfo is not None:
        return at
    zone = load_settings(ctx.params.get("config")).node.zone
    return (at.replace(tzinfo=zone) if zone is not None else at.astimezone()).astimezone(UTC)


def moment_option(help_text: str, *names: str) -> Any:
    """An option with a time; one without an offset is of the site's clock, as commands print times."""
    return typer.Option(*names, parser=read_moment, callback=_on_site_clock, metavar="TIME", help=help_text)


def read_day(text: str) -> date:
    """A day from the command line."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-12-01") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise _not_in_calendar(text)
    return day


def _not_in_calendar(text: str) -> typer.BadParameter:
    return typer.BadParameter(f"{text} is not from {FIRST_DAY} to {LAST_DAY}")


def _note(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[JSON] = value
    return value


AsJson = Annotated[bool, typer.Option("--json", callback=_note, help="Print JSON for programs.")]


def settings_of(config: Path | None, data_dir: Path | None = None, **tables: dict[str, Any]) -> Settings:
    """The settings in force; None in ``tables`` means that an option was not given."""
    overrides = {table: {k: v for k, v in values.items() if v is not None} for table, values in tables.items()}
    if data_dir is not None:
        overrides.setdefault("node", {})["data_dir"] = data_dir
    settings = load_settings(config, **overrides)
    plugins.allow(settings.plugins.allow)
    SITE_ZONE.set(settings.node.zone)
    return settings


def quiet_logs(settings: Settings) -> None:
    """Log only warnings, on stderr, for commands that print their result at once."""
    loud = settings.log.level in (LogLevel.WARNING, LogLevel.ERROR)
    level = settings.log.level if loud else LogLevel.WARNING
    set_up_logging(settings.log.model_copy(update={"level": level}))
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # the command reports failures in one sentence
