"""Writes the labels of a node, and the images that they are about, to a folder (``miqa-node labels export``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.keys.secret_files import KEY_FILE, open_key
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DataSetError, NotFoundError, ResourcesError
from miqa_node.features.labels.command.label_images import Images
from miqa_node.features.labels.export import LabelExport, Names, WriteImage, export_labels, write_png
from miqa_node.features.labels.rows import reviews
from miqa_node.features.labels.rows.reviews import ExportImage
from miqa_node.plugins import addition
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.site_store import open_store
from miqa_node.runtime.workers.pool import WorkerPool


def export_from(settings: Settings, out: Path, images: Images) -> tuple[LabelExport, int]:
    """The result of the export, and the number of labels in it."""
    key = open_key(settings.node.data_dir / KEY_FILE, settings.analysis.pseudonym_key)
    database, objects = open_store(settings)
    try:
        database.check()
        with database.begin() as transaction:
            reviewed_images, every = reviews.for_export(transaction), list(labels.select(transaction))
        with _writer(images, settings, key) as write:
            pairs = [(one, _original(objects, one)) for one in reviewed_images]
            return export_labels(pairs, every, out, Names(key), write), len(every)
    finally:
        database.close()


def _original(objects: ObjectStore, image: ExportImage) -> Path | None:
    """Its file; None if it was removed."""
    try:
        return objects.local_path(image.object_key)
    except NotFoundError:
        return None


@contextmanager
def _writer(images: Images, settings: Settings, key: bytes) -> Iterator[WriteImage | None]:
    match images:
        case Images.NONE:
            yield None
        case Images.PNG:
            with WorkerPool(settings) as pool:
                yield lambda source, stem: write_png(pool.decode(source), stem)
        case Images.DICOM:
            with _deidentified(settings, key) as write:
                yield write


@contextmanager
def _deidentified(settings: Settings, key: bytes) -> Iterator[WriteImage]:
    try:
        from miqa_training.deidentify.dataset import DeidentificationMethod
        from miqa_training.deidentify.files import deidentify_files
        from miqa_training.deidentify.pixels import pixel_tools
        from miqa_training.deidentify.values import Secrets
    except ModuleNotFoundError as error:
        raise ResourcesError(f"--images dicom needs miqa-node-training: {addition('miqa-node-training')}.") from error
    method = DeidentificationMethod(Secrets(key))
    with pixel_tools(settings, text=True) as tools:

        def write(source: Path, stem: Path) -> tuple[str, int, int]:
            [outcome] = deidentify_files([(source, Path())], stem.parent, method, tools=tools)
            if outcome.written is None:
                raise DataSetError(outcome.reason)
            file = outcome.written.rename(stem.with_suffix(".dcm"))
            header, _ = read_header(file, relaxed=True)
            return file.name, header.columns, header.rows

        yield write
