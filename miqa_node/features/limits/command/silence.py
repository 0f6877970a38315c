"""``miqa-node silence``: which body parts are in their silent first days, and the end of those of one part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.core.domain.silence import PartSilence
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.site_records import site_limits

UNKNOWN = "unknown"


def silence(
    end: Annotated[
        str, typer.Option(metavar="PART", help="End the silent days of a body part, such as KNEE, or unknown.")
    ] = "",
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the end.")] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show which body parts are silent, in their first days at this site, and end that for one.

    From the first image of a part at this site on nothing is flagged and nothing accepted for so many days. Running
    processes follow within seconds; images that have a verdict keep it.
    """
    settings, now = settings_of(config, data_dir), datetime.now(UTC)
    with open_transaction(config, data_dir) as transaction:
        if end:
            part = "" if end.lower() == UNKNOWN else end
            site_limits.end_silence(transaction, part, actor or login(), comment, now)
        parts = site_limits.silence(transaction, settings.policy.silent_days).listed(now)
    if as_json:
        print_json([to_json(one) for one in parts])
        return
    if not settings.policy.silent_days:
        print_line("No body part is silent: policy.silent_days is 0.")
    print_table(("Body part", "First image", "Silent", "Ended by", "Comment"), map(_row, parts))


def _row(one: PartSilence) -> tuple[str, ...]:
    start = one.start
    until = f"until {moment(one.silent_until)}" if one.silent_until else "no"
    return start.body_part or UNKNOWN, moment(start.began_at), until, start.actor, start.comment
