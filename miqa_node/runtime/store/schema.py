"""The database's schema: brought up to date by migrations, and compatible with a program or not.

See docs/how-to/upgrade.md. Migrations are the files ``<revision>_<what>.py`` of the folder ``migrations/versions`` and
of ``migrations`` in the features' folders, with or without their line (docs/adr/0020): one chain in the order of their
numbers. It begins at a baseline, whose last migration has the number of the last schema before it; what is older only
an older program upgrades.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from miqa_node.built_in import folders
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import share_dir
from miqa_node.errors import OutdatedError, ResourcesError, SettingsError
from miqa_node.runtime.store.tables import compatibility

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger(__name__)

LAST_OF_BEFORE = "f45b6d56"
"""The last commit that upgrades databases from before the baseline."""
_VERSION = sa.table("alembic_version", sa.column("version_num"))


def bring_up_to_date(connection: sa.Connection) -> None:
    """Make the tables of a new database or run the missing migrations; none where a newer version only added.

    Raises
    ------
    SettingsError
        A newer version removed parts that this program needs, or the database is older than the baseline.
    """
    current = _revision(connection)
    if current == revisions()[-1]:
        return
    if current is None or current in revisions():
        run_migrations(connection)
    elif current > revisions()[-1] and _is_expanded(connection):
        log.warning("the database is of a newer version; this one works beside it", schema=current)
    elif current < revisions()[0]:
        raise SettingsError(_too_old(current))
    else:
        raise SettingsError(_contracted(current))


def check(connection: sa.Connection) -> None:
    """Raise ResourcesError unless the schema is compatible with this program."""
    current, newest = _revision(connection), revisions()[-1]
    if current == newest:
        return
    if current is None or current in revisions():
        raise OutdatedError(
            "The database schema is at {current}, this program needs {newest}: run miqa-node migrate.",
            current=current,
            newest=newest,
        )
    if current < revisions()[0]:
        raise ResourcesError(_too_old(current))
    if not _is_expanded(connection):
        raise ResourcesError(_contracted(current))


@cache
def revisions() -> tuple[str, ...]:
    """The revisions that this program knows, oldest first; from names, as reading the scripts takes 40 ms."""
    return tuple(sorted(file.name.partition("_")[0] for folder in versions() for file in folder.glob("[0-9]*_*.py")))


def versions() -> list[Path]:
    """The folders of migrations: the node's, and those of features."""
    of_features = (folder / "migrations" for folder in folders())
    return [share_dir("migrations") / "versions", *(folder for folder in of_features if folder.is_dir())]


def run_migrations(connection: sa.Connection) -> None:
    """Run the migrations that are missing, of an empty database all."""
    # Most starts find the schema as it should be, and worker processes do not look: Alembic takes 10 MB.
    from alembic import command  # noqa: PLC0415

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    """That of the database; None if it is new."""
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


def _is_expanded(connection: sa.Connection) -> bool:
    """Whether newer versions only added to what this program knows."""
    oldest = connection.execute(sa.select(sa.func.max(compatibility.c.oldest_schema))).scalar_one()
    return bool(oldest) and oldest <= revisions()[-1]


def _contracted(schema: str) -> str:
    return Phrase(
        "The database has the schema {schema} of a newer miqa-node: start that version, or a later one.", schema=schema
    )


def _too_old(schema: str) -> str:
    return Phrase(
        "The database has the schema {schema} of an older miqa-node: start the version of commit {commit} on it once.",
        schema=schema,
        commit=LAST_OF_BEFORE,
    )


def alembic_config() -> Config:
    """Of Alembic's commands, for this program's migrations."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(share_dir("migrations")))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(map(str, versions())))
    return config
