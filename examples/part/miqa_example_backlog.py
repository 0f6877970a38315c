"""A part in the background: how many images wait for a verdict, in a file that a program of the site reads."""

from pathlib import Path

import sqlalchemy as sa

from miqa_node.api import PartContext, PartKind, RegularWork

miqa_api = 1
INTERVAL_S = 5.0
WAITING = sa.text("SELECT count(*) FROM instances WHERE digest NOT IN (SELECT digest FROM dispositions)")


class BacklogFile(RegularWork):
    """Writes the file every few seconds, in a thread that the node watches."""

    def __init__(self, context: PartContext) -> None:
        super().__init__("backlog", INTERVAL_S, "the backlog waits for the database")
        self.database = context.database
        self.file = Path(context.settings.node.data_dir) / "backlog.txt"

    def look(self) -> None:
        """Count, and replace the file, so that nobody reads half of it."""
        with self.database.begin() as transaction:
            count = transaction.execute(WAITING).scalar_one()
        new = self.file.with_suffix(".new")
        new.write_text(f"{count}\n")
        new.replace(self.file)


PART = PartKind("backlog", BacklogFile)
