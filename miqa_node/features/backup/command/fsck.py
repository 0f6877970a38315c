"""``miqa-node fsck``: whether rows, files, jobs and deliveries agree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.features.backup.rows import Check
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line, to_json
from miqa_node.interfaces.cli.store import opened
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.runtime.work.clock_trust import ClockTrust
from miqa_node.runtime.work.queue import DurableQueue
from miqa_node.stages.deliver.destinations import Destinations


def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired without a loss.")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read originals and results, and compare their digests.")
    ] = False,
    destination: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A destination that run gets on its command line; repeatable."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare rows with files, images with jobs, and deliveries with destinations; the node may be running.

    Exit code 1 if something does not agree and was not repaired.
    """
    settings = settings_of(config, data_dir)
    now = datetime.now(UTC)
    with opened(config, data_dir) as database:
        queue = DurableQueue(database, lambda: f"fsck-{now:%Y%m%d%H%M%S}")
        names = frozenset(Destinations(settings.destinations_file).current()) | frozenset(destination or ())
        trusts_clock = repair and ClockTrust(database, settings.retention.clock_step).now() is not None
        check = Check(database, objects_of(settings), queue.active, names, queue.enqueue_assess, now, trusts_clock)
        faults = []
        for one in check.run(repair=repair, deep=deep):
            faults.append(one)
            if not as_json:
                print_line(one.fault.value, one.what, "repaired" if one.repaired else "")
    remainder = sum(not one.repaired for one in faults)
    if as_json:
        print_json([to_json(one) for one in faults])
    else:
        print_line(f"faults: {len(faults)}, left: {remainder}" if faults else "Everything agrees.")
    if remainder:
        raise typer.Exit(Exit.FAILED)
