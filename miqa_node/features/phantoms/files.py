"""Measures phantoms in files, without a node: finds the series of each study, and reads each stack of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy import Anatomy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DataSetError
from miqa_node.features.phantoms.measuring import measure_phantom
from miqa_node.features.phantoms.values import PhantomReadings
from miqa_node.stages.assess.phantom import recognise
from miqa_node.stages.assess.phantom_kind import kind_of, what_is_missed
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import read_slices
from miqa_node.stages.measure.stack import same_plane
from miqa_node.stages.units.kinds import PHANTOM_MODALITIES, is_slice, series_traits

NO_PHANTOM = Phrase("The pixels show no test object that is recognised.")
NO_KIND = Phrase("A test object, but none of the kinds that are measured.")


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """The slices of one series of one study."""

    header: Header
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """What a series of files shows, and its readings; ``why_not`` says why there are none."""

    of: SeriesFiles
    kind: str
    recognised: str
    """Why it is one of a test object; empty if it is not."""
    readings: tuple[PhantomReadings, ...]
    why_not: str = ""


def series_of(files: Iterable[Path], anatomy: Anatomy) -> tuple[list[SeriesFiles], list[Path]]:
    """CT and MR series by study, in the order of their first files; and the files that cannot be read."""
    by_series: dict[tuple[str, str], tuple[Header, list[Path]]] = {}
    unread = []
    for file in files:
        try:
            header, _ = read_header(file, nameless=True, anatomy=anatomy)
        except (DataSetError, OSError):
            unread.append(file)
            continue
        if is_slice(header) and header.modality in PHANTOM_MODALITIES:
            key = header.study_instance_uid, header.series_instance_uid
            by_series.setdefault(key, (header, []))[1].append(file)
    return [SeriesFiles(header, tuple(members)) for header, members in by_series.values()], unread


def read_series(series: Iterable[SeriesFiles], tools: SliceTools, wish: str = "") -> Iterator[SeriesRead]:
    """The kind and the readings of each; ``wish`` is the kind that a person named, for all of them."""
    for one in series:
        files = [(InstanceDigest(str(file)), file) for file in one.files]
        every = read_slices(files, tools.spread)
        view = SeriesView(one.header, same_plane(every) or every, tools)
        hinted = one.header.quality_control or one.header.named_phantom
        recognised = recognise(view, series_traits(one.header), hinted=hinted)
        kind = wish or (kind_of(view) if recognised else "")
        if not kind:
            missed = (what_is_missed(view) or NO_KIND) if recognised else NO_PHANTOM
            yield SeriesRead(one, kind, recognised, (), missed)
            continue
        yield SeriesRead(one, kind, recognised, measure_phantom(one.header, files, tools, kind))
