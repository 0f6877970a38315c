"""Options that many commands share, and the settings that they lead to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from miqa_node.settings import Settings

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
    """The settings in force; what is None in ``tables`` was not given on the command line."""
    from miqa_node.settings import load_settings  # noqa: PLC0415 - keeps --help fast

    given = {table: {k: v for k, v in values.items() if v is not None} for table, values in tables.items()}
    if data_dir is not None:
        given.setdefault("node", {})["data_dir"] = data_dir
    return load_settings(config, **given)


def quiet_logs(settings: Settings) -> None:
    """For commands that answer at once: only warnings, on stderr, and without patient data as everywhere."""
    from miqa_node.observe.log import set_up_logging  # noqa: PLC0415
    from miqa_node.settings import LogLevel  # noqa: PLC0415

    loud = settings.log.level in (LogLevel.WARNING, LogLevel.ERROR)
    level = settings.log.level if loud else LogLevel.WARNING
    set_up_logging(settings.log.model_copy(update={"level": level}))
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what fails is told by the command, in one sentence
