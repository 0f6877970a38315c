"""``miqa-node verdicts``: how many images got each verdict."""

from collections import Counter

import sqlalchemy as sa
import typer
from miqa_node.cli.command import Command
from miqa_node.cli.options import ConfigFile, DataDir
from miqa_node.cli.store import open_transaction

miqa_api = 1


def verdicts(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Print how many images got each verdict."""
    with open_transaction(config, data_dir) as transaction:
        rows = transaction.execute(sa.text("SELECT verdict FROM dispositions")).scalars()
        for verdict, count in sorted(Counter(rows).items()):
            typer.echo(f"{verdict} {count}")


VERDICTS = Command("Print how many images got each verdict.", verdicts)
