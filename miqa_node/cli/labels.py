"""``miqa-node labels``: counts, exports and imports the labels that people gave to images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.analysis.export import GONE, Names, WriteImage, export_labels, write_png
from miqa_node.assess.labels import read_audit
from miqa_node.cli.actor import Actor, login
from miqa_node.cli.exits import Exit
from miqa_node.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.cli.output import print_json, print_line, print_table
from miqa_node.cli.store import check_exists, open_transaction
from miqa_node.deidentify.dataset import DeidentificationMethod
from miqa_node.deidentify.files import deidentify_files
from miqa_node.deidentify.values import Secrets
from miqa_node.domain.label import LabelOrigin, ReaderOpinion, RequestKind
from miqa_node.domain.object_store import ObjectStore
from miqa_node.errors import DataSetError, NotFoundError
from miqa_node.imaging.decode import Decoder
from miqa_node.imaging.headers import read_header
from miqa_node.settings import Settings
from miqa_node.site import open_store
from miqa_node.store import label_days, label_requests, labels, reviews, rollup
from miqa_node.store.label_days import LabelDimension
from miqa_node.store.pseudonyms import KEY_FILE, open_key
from miqa_node.store.reviews import ReviewedImage

app = typer.Typer(no_args_is_help=True, help="Labels given by people: list, export, import.")


class Images(StrEnum):
    """The form in which images are exported with their labels."""

    NONE = "none"
    PNG = "png"
    DICOM = "dicom"


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Count labels by origin, and open requests."""
    with open_transaction(config, data_dir) as transaction:
        rollup.refresh(transaction, datetime.now(UTC))
        counted = label_days.counts(transaction, LabelDimension.ORIGIN, date.min, date.max)
        request_counts = {kind: label_requests.count(transaction, kind) for kind in RequestKind}
    if as_json:
        origins = {one.value: {"labels": one.labels, "bad": one.bad} for one in counted}
        requests = {kind.value: {"asked": pair[0], "answered": pair[1]} for kind, pair in request_counts.items()}
        print_json({"labels": origins, "requests": requests})
        return
    print_table(("Origin", "Labels", "Say bad"), ((one.value, str(one.labels), str(one.bad)) for one in counted))
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

    labels.csv holds the newest label of each image, and is what calibrate and train quality --labels read; the labels
    of images whose original was removed stay there, without an image, and count as left out;
    judgements.csv holds all of them with their provenance. DICOM files are de-identified after PS3.15 Annex E (Basic
    Profile). Text burned into pixels is not searched.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    check_exists(settings)
    key = open_key(settings.node.data_dir / KEY_FILE, settings.analysis.pseudonym_key)
    database, objects = open_store(settings)
    try:
        database.check()
        with database.begin() as transaction:
            newest, every = reviews.newest(transaction), list(labels.select(transaction))
        with _writer(images, settings, key) as write:
            pairs = [(one, _original(objects, one)) for one in newest]
            done = export_labels(pairs, every, out, Names(key), write)
    finally:
        database.close()
    if as_json:
        print_json(
            {"images": done.images, "regions": done.regions, "judgements": len(every), "left_out": done.left_out}
        )
    else:
        print_line(f"images: {done.images}, regions: {done.regions}, judgements: {len(every)}, in {out}")
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
    rows, who, now = read_audit(table), actor or login(), datetime.now(UTC)
    with open_transaction(config, data_dir) as transaction:
        for row in rows:
            bad = row.findings is None or bool(row.findings)
            findings = None if row.findings is None else tuple(sorted(row.findings))
            opinion = ReaderOpinion(who, LabelOrigin.IMPORT, bad, findings=findings, sampled=row.sampled)
            labels.add(transaction, reviews.find_digest(transaction, row.digest), opinion, now)
    print_line(f"Labels taken in: {len(rows)}.")


def _original(objects: ObjectStore, image: ReviewedImage) -> Path | None:
    """Its file; None if it was removed."""
    try:
        return objects.local_path(image.object_key)
    except NotFoundError:
        return None


@contextmanager
def _writer(images: Images, settings: Settings, key: bytes) -> Iterator[WriteImage | None]:
    if images is not Images.PNG:
        yield None if images is Images.NONE else _deidentified(key)
        return
    with Decoder(settings) as decoder:
        yield lambda source, stem: write_png(decoder.decode(source), stem)


def _deidentified(key: bytes) -> WriteImage:
    method = DeidentificationMethod(Secrets(key))

    def write(source: Path, stem: Path) -> tuple[str, int, int]:
        [outcome] = deidentify_files([(source, Path())], stem.parent, method)
        if outcome.written is None:
            raise DataSetError(outcome.reason)
        file = outcome.written.rename(stem.with_suffix(".dcm"))
        header, _ = read_header(file, relaxed=True)
        return file.name, header.columns, header.rows

    return write
