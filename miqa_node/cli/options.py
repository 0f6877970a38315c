"""Options that many commands share, and the settings that they lead to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node import plugins
from miqa_node.observe.log import set_up_logging
from miqa_node.settings import LogLevel, Settings, load_settings

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with the site's settings.", envvar="MIQA_CONFIG"),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Folder with everything that the node keeps (node.data_dir)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def settings_of(config: Path | None, data_dir: Path | None = None, **tables: dict[str, Any]) -> Settings:
    """The settings in force; None in ``tables`` stands for an option that was not given."""
    given = {table: {k: v for k, v in values.items() if v is not None} for table, values in tables.items()}
    if data_dir is not None:
        given.setdefault("node", {})["data_dir"] = data_dir
    settings = load_settings(config, **given)
    plugins.allow(settings.plugins.allow)
    return settings


def quiet_logs(settings: Settings) -> None:
    """Log only warnings, on stderr, for commands that print their result at once."""
    loud = settings.log.level in (LogLevel.WARNING, LogLevel.ERROR)
    level = settings.log.level if loud else LogLevel.WARNING
    set_up_logging(settings.log.model_copy(update={"level": level}))
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # the command reports failures in one sentence
