"""``miqa-node evaluate feedback``: compares the decisions and marks of reviewers with the node's findings and maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelRecord
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.features.analysis.feedback import Feedback
from miqa_node.features.analysis.feedback import feedback as of_reviewers
from miqa_node.features.analysis.marks import Fidelity, Pixels, fidelity
from miqa_node.features.analysis.rows import fidelities, rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, read_day
from miqa_node.interfaces.cli.output import Column, number, print_json, print_table
from miqa_node.interfaces.cli.store import settings_of_node
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_store
from miqa_node.stages.assess.enhance.likeness import psnr_db, ssim
from miqa_node.stages.units.rows import instances


def feedback(
    since: Annotated[date | None, typer.Option(parser=read_day, metavar="DATE", help="First day of labels.")] = None,
    until: Annotated[date | None, typer.Option(parser=read_day, metavar="DATE", help="Last day of labels.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Also write a self-contained HTML page.")
    ] = None,
    enhance: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD", help="Also measure this enhancement on images that people drew on; repeatable."),
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="Maximum number of images to enhance, the newest first.")
    ] = 50,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Compare the node with its reviewers: agreement for findings, Dice and IoU of what they drew, PSNR and SSIM.

    Made from the decisions, audits and marks in the node's own database; only figures leave it. PSNR and SSIM
    are kept, and shown with the others on the page Analysis, Labels.
    """
    settings = settings_of_node(config, data_dir)

    first = since or date(2000, 1, 1)
    last = until or settings.node.day(datetime.now(UTC))
    database, objects = open_store(settings)
    try:
        with database.begin() as transaction:
            rollup.refresh(transaction, datetime.now(UTC))
            period = Period(first, last + timedelta(days=1))
            summary = of_reviewers(transaction, period, objects, settings.assess.saliency_threshold)
            since_at, until_at = period.moments
            marked = labels.drawn(transaction, since_at, until_at, limit=images) if enhance else []
            keys = {label.digest: instances.load(transaction, label.digest).object_key for label in marked}
        fidelity = _enhanced(settings, objects, marked, keys, enhance or [])
        _keep(database, period, fidelity)
    finally:
        database.close()
    if out is not None:
        _write(out, summary, fidelity)
    if as_json:
        print_json(document(summary, fidelity))
        return
    _print(summary, fidelity)
    if out is not None:
        typer.echo(f"The page is {out}.", err=True)


def _enhanced(
    settings: Settings, objects: ObjectStore, marked: Sequence[LabelRecord], keys: Mapping[InstanceDigest, str],
    methods: Sequence[str],
) -> dict[str, Fidelity]:  # fmt: skip
    """Figures of each method on the images that people drew on; empty without drawings on kept originals."""
    marked = [one for one in marked if objects.exists(keys[one.digest])]
    if not marked or not methods:
        return {}

    from miqa_node.runtime.workers.pool import WorkerPool
    from miqa_node.stages.assess.enhance.enhancer import Enhancer

    enhancer = Enhancer(settings)
    made = {}
    with WorkerPool(settings) as pool:
        for method in methods:

            def load(digest: InstanceDigest, method: str = method) -> tuple[Pixels, Pixels]:
                enhanced = enhancer.enhance(pool.decode(objects.local_path(keys[digest])), method)
                before, after = enhanced.source.display, enhanced.image.display
                white = np.float32(65535)
                return before.astype(np.float32) / white, after.astype(np.float32) / white

            fidelities = fidelity(marked, load, psnr_db, ssim)
            if fidelities is not None:
                made[method] = fidelities
    return made


def _keep(database: Database, period: Period, fidelity: Mapping[str, Fidelity]) -> None:
    """Store the figures for the page Labels, which is too slow to enhance images on request."""
    now, last = datetime.now(UTC), period.until - timedelta(days=1)
    with database.begin() as transaction:
        for method, row in fidelity.items():
            record = fidelities.KeptFidelity(method=method, made_at=now, since=period.since, until=last, **asdict(row))
            fidelities.keep(transaction, record)


def document(summary: Feedback, fidelity: Mapping[str, Fidelity]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "since": summary.period.since.isoformat(),
        "until": (summary.period.until - timedelta(days=1)).isoformat(),
        "labels": summary.total,
        "second_readings": asdict(summary.second_readings),
        "findings": [asdict(row) for row in summary.findings],
        "masks": [asdict(row) for row in summary.masks],
        "enhancement": {method: asdict(row) for method, row in fidelity.items()},
    }


def _print(summary: Feedback, fidelity: Mapping[str, Fidelity]) -> None:
    heads = _heads("Finding", ("Both", "Model only", "People only", "Nobody", "κ"))
    rows = (
        (row.finding, str(row.both), str(row.model_only), str(row.people_only), str(row.nobody),
         number(row.agreement.kappa, 2))
        for row in summary.findings
    )  # fmt: skip
    print_table(heads, rows, title="Agreement of model and people, in images")
    heads = _heads("Finding", ("Drawn", "With a map", "Dice", "IoU", "Centre"))
    masks = (
        (row.finding, str(row.drawn), str(row.mapped), *(number(v) for v in (row.dice, row.iou, row.centre)))
        for row in summary.masks
    )
    print_table(heads, masks, title="What people drew, and where the node looked")
    if fidelity:
        heads = _heads("Method", ("Images", "PSNR", "SSIM", "PSNR in marks", "SSIM in marks"))
        changed = (
            (method, str(row.images), f"{row.psnr_db:.1f}", f"{row.ssim:.3f}", f"{row.psnr_marked_db:.1f}",
             f"{row.ssim_marked:.3f}")
            for method, row in fidelity.items()
        )  # fmt: skip
        print_table(heads, changed, title="Effect of enhancement on marked images")


def _heads(what: str, numbers: Sequence[str]) -> list[Column | str]:
    return [what, *(Column(name, number=True) for name in numbers)]


def _write(path: Path, summary: Feedback, fidelity: Mapping[str, Fidelity]) -> None:
    from miqa_node.interfaces.web.html.pages import render

    page = render("analysis/feedback_file.html", found=summary, fidelity=fidelity, made=datetime.now(UTC))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
