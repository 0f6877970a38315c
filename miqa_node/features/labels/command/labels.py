"""``miqa-node labels``: counts, exports and imports the labels that people gave to images."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.features.labels.command.label_images import Images
from miqa_node.features.labels.rows import reviews
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import print_json, print_line, print_table
from miqa_node.interfaces.cli.store import open_transaction, settings_of_node
from miqa_node.runtime.site_records import label_requests, labels

app = typer.Typer(no_args_is_help=True, help="Labels given by people: list, export, import.")


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Count labels by origin, and open requests."""
    with open_transaction(config, data_dir) as transaction:
        by_origin = labels.count_by_origin(transaction)
        request_counts = {kind: label_requests.count(transaction, kind) for kind in LabelOrigin if kind.on_request}
    if as_json:
        origins = {origin.value: {"labels": number, "bad": bad} for origin, (number, bad) in by_origin.items()}
        requests = {kind.value: {"asked": pair[0], "answered": pair[1]} for kind, pair in request_counts.items()}
        print_json({"labels": origins, "requests": requests})
        return
    rows = ((origin.value, str(number), str(bad)) for origin, (number, bad) in by_origin.items())
    print_table(("Origin", "Labels", "Say bad"), rows)
    for kind, (number, answered) in request_counts.items():
        print_line(f"{kind.value}: {answered} of {number} answered")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder to write to.")],
    images: Annotated[Images, typer.Option(metavar="KIND", help="png, dicom (de-identified), or none.")] = Images.PNG,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write labels as CSV and COCO, with the images; without patient identity.

    annotations.jsonl holds the objects that people marked, also on images that nobody judged, and why they were chosen.
    labels.csv holds the newest label of each image, and is what calibrate and train quality --labels read; the labels
    of images whose original was removed stay there, without an image, and count as left out;
    judgements.csv holds all of them with their provenance. DICOM files are de-identified after PS3.15 Annex E (Basic
    Profile), and text in their pixels is covered where the extra `text` is installed; PNG files are not searched.
    """
    from miqa_node.features.labels.command.label_export import export_from
    from miqa_node.features.labels.export import GONE

    settings = settings_of_node(config, data_dir)
    done, judgement_count = export_from(settings, out, images)
    if as_json:
        print_json(
            {
                "images": done.images,
                "regions": done.regions,
                "judgements": judgement_count,
                "left_out": done.left_out,
            }
        )
    else:
        print_line(f"images: {done.images}, regions: {done.regions}, judgements: {judgement_count}, in {out}")
        for reason, number in done.left_out.items():
            print_line(f"left out: {number}, {reason}")
    if not done.images and done.left_out.keys() - {GONE}:
        raise typer.Exit(Exit.FAILED)


@app.command("import")
def import_(
    table: Annotated[
        Path, typer.Argument(metavar="CSV", exists=True, dir_okay=False, help="Columns digest, label, sampled.")
    ],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Import labels of the node's own images from a table: digest or SOP Instance UID, label, sampled.

    A label is good, bad, or findings with semicolons between. All lines are taken, or none.
    """
    from miqa_node.stages.assess.labels import read_audit

    rows, who, now = read_audit(table), actor or login(), datetime.now(UTC)
    with open_transaction(config, data_dir) as transaction:
        for row in rows:
            bad = row.findings is None or bool(row.findings)
            findings = None if row.findings is None else tuple(sorted(row.findings))
            opinion = ReaderOpinion(who, LabelOrigin.IMPORT, bad, findings=findings, sampled=row.sampled)
            labels.add(transaction, reviews.find_digest(transaction, row.digest), opinion, now)
    print_line(f"Labels taken in: {len(rows)}.")
