"""Assesses CT, MR and PET series without a node: finds in a list of files what a node would judge together.

A series goes through the normal pipeline with a temporary store of its own, so memory does not grow with a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.fragments import groups
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject, StudyRecord
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.series import SliceProfile
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.settings import Settings
from miqa_node.core.taxonomy.verdict_score import judged
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.picture import is_picture
from miqa_node.errors import DataSetError, DecodeError, NotFoundError
from miqa_node.local import LocalAssessor, LocalResult, NoJobs, digest_of
from miqa_node.pipeline import Pipeline
from miqa_node.runtime.store.artifacts import MemoryArtifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.series import is_unread
from miqa_node.stages.conclusion.base import Effects
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.units.base import (
    ImagingTools,
    JudgingTools,
    ReportingTools,
    Unit,
    UnitContext,
    installed,
    unit_of,
)
from miqa_node.stages.units.image import judge_here
from miqa_node.stages.units.kinds import is_capture
from miqa_node.stages.units.rows import instances, series


@dataclass(frozen=True, slots=True)
class FileHeader:
    """A file, and its header as read."""

    path: Path
    header: Header
    study: StudyRecord

    @property
    def study_key(self) -> str:
        """Its study; a file that names none is one of its own (core/domain/identity.py)."""
        return self.header.study_instance_uid or f"the study of {self.path}"


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files that get one verdict: one file, or the slices of a series with the captures that were sent beside them."""

    files: tuple[Path, ...]
    slices: tuple[FileHeader, ...] = ()
    """Of a series; empty for an image that is judged alone."""
    captures: tuple[FileHeader, ...] = ()
    """They are counted with the series, and are judged alone."""


@dataclass(frozen=True, slots=True)
class LocalSeriesResult:
    """The result for the files of one series."""

    files: tuple[Path, ...]
    assessment: Assessment
    disposition: Disposition
    objects: Sequence[MadeObject] | None = None
    """As in :class:`~miqa_node.local.LocalResult`."""
    slices: tuple[tuple[Path, int], ...] = ()
    """File and frame of each slice, in spatial order; the numbers of ``profiles`` are theirs."""
    profiles: tuple[SliceProfile, ...] = ()

    @property
    def header(self) -> Header:
        """Of the slice that stands for the series."""
        return self.assessment.header


def group_files(files: Iterable[Path], settings: Settings) -> list[FileGroup]:
    """The files as units, in the order of the first file of each; what cannot be read is a unit of its own."""
    units = installed()
    every: list[tuple[Path, FileHeader | None]] = []
    captures: list[FileHeader] = []
    for path in files:
        one = _read(path, settings)
        if one is not None and is_capture(one.header):
            captures.append(one)
        every.append((path, one if one is not None and unit_of(one.header, units).needs_others else None))
    members = _stacks([one for _, one in every if one is not None])
    return list(_in_order(every, members, captures))


def _read(path: Path, settings: Settings) -> FileHeader | None:
    """None if the file is not DICOM; judging it alone says why."""
    try:
        return None if is_picture(path) else FileHeader(path, *_header(path, settings))
    except (DataSetError, OSError):
        return None


def _header(path: Path, settings: Settings) -> tuple[Header, StudyRecord]:
    return read_header(path, nameless=True, anatomy=settings.imaging.anatomy)


def _stacks(slices: Sequence[FileHeader]) -> dict[Path, tuple[FileHeader, ...]]:
    """The slices that a node would judge together, by each of their files."""
    by_study: dict[str, list[FileHeader]] = {}
    for one in slices:
        by_study.setdefault(one.study_key, []).append(one)
    stacks_of: dict[Path, tuple[FileHeader, ...]] = {}
    for study in by_study.values():
        torn = groups(one.header for one in study)
        by_stack: dict[tuple[str, ...], list[FileHeader]] = {}
        for one in study:
            uid = one.header.series_instance_uid
            by_stack.setdefault(torn.get(uid, (uid,)), []).append(one)
        stacks_of |= {one.path: tuple(stack) for stack in by_stack.values() for one in stack}
    return stacks_of


def _in_order(
    every: Iterable[tuple[Path, FileHeader | None]],
    members: dict[Path, tuple[FileHeader, ...]],
    captures: Sequence[FileHeader],
) -> Iterator[FileGroup]:
    earlier: set[Path] = set()
    for path, one in every:
        if one is None:
            yield FileGroup((path,))
        elif path not in earlier:
            stack = members[path]
            earlier.update(member.path for member in stack)
            beside = tuple(capture for capture in captures if capture.study_key == one.study_key)
            yield FileGroup(tuple(member.path for member in stack), stack, beside)


class LocalSeriesAssessor:
    """Assesses groups of slices with the models, the policy and the processes of a :class:`LocalAssessor`."""

    def __init__(self, local: LocalAssessor, settings: Settings) -> None:
        self._local = local
        self._settings = settings

    def assess(self, group: FileGroup) -> LocalSeriesResult:
        """Assess the slices of a group as a node does once its series is quiet.

        Raises
        ------
        DecodeError
            Not one of the slices can be decoded.
        """
        units, digests = [unit for unit in installed() if not unit.is_guard], _Digests()
        artifacts, tools = MemoryArtifacts(), self._local.tools
        with closing(Database.in_memory()) as database:
            context = self._context(database, artifacts)
            way = Pipeline(context, NoJobs(), Effects(), Effects(), max_attempts=1, units=units)
            for one in (*group.slices, *group.captures):
                digest = digests.add(one)
                now, size = datetime.now(UTC), one.path.stat().st_size
                read = one.header, one.study
                way.receive(ReceivedObject(str(one.path), digest, size, "", "", "", now, header=read))
            digest = _judge(way, database, units)
            with database.begin() as transaction:
                instance = instances.load(transaction, digest)
                assessment = instances.load_assessment(transaction, digest)
                disposition = instances.load_disposition(transaction, digest)
            if assessment is None or disposition is None:
                raise NotFoundError("The series was not judged.")
            if is_unread(assessment):
                raise DecodeError(assessment.not_assessed)
            snapshot, objects = artifacts.snapshot(instance), None
            if tools.reports is not None and not instance.header.missing_uids:
                judgement = judged(instance, assessment, disposition)
                objects = unit_of(instance.header, units).outputs(judgement, context)
        # The pipeline generates missing UIDs; the result states those of the file.
        assessment = replace(assessment, header=digests.header(digest))
        if snapshot is None:
            return LocalSeriesResult(group.files, assessment, disposition, objects)
        slices = tuple((digests.path(one), frame) for one, frame in snapshot.slices)
        return LocalSeriesResult(group.files, assessment, disposition, objects, slices, snapshot.profiles)

    def as_image(self, result: LocalSeriesResult) -> LocalResult:
        """The result of a series with one file, with its pixels, as a page about an image shows it."""
        radiograph = self._local.tools.decode(result.files[0], 0)
        return LocalResult(
            result.files[0], True, result.assessment, result.disposition, SaliencyMaps(), radiograph, result.objects
        )

    def _context(self, database: Database, artifacts: MemoryArtifacts) -> UnitContext:
        local, settings = self._local, self._settings
        tools, pool = local.tools, local.pool
        imaging = ImagingTools(
            partial(_header, settings=settings),
            pool.decode,
            partial(decode_here, max_pixels=settings.imaging.max_pixels),
            pool.run,
            settings.work.worker_processes,
        )
        judge = judge_here(tools.decode, tools.assessor)
        judging = JudgingTools(judge, tools.policy, tools.certify, series=local.models.series)
        reporting = ReportingTools(tools.reports or ReportSettings(), lambda: set(default_kinds()), pool.decode)
        return UnitContext(database, artifacts, imaging, judging, reporting, settings.work.series_max_slices)


class _Digests:
    """The files that were received, by digest."""

    def __init__(self) -> None:
        self._files: dict[InstanceDigest, FileHeader] = {}

    def add(self, one: FileHeader) -> InstanceDigest:
        digest = digest_of(one.path)
        self._files[digest] = one
        return digest

    def header(self, digest: InstanceDigest) -> Header:
        return self._files[digest].header

    def path(self, digest: InstanceDigest) -> Path:
        return self._files[digest].path


def _judge(way: Pipeline, database: Database, units: Sequence[Unit]) -> InstanceDigest:
    """Judge what is due until the series has a verdict: a slice that turns out to be a copy does not stand for it."""
    while True:
        with database.begin() as transaction:
            due = series.take_due(transaction, series.QuietTimes(), datetime.now(UTC))
            headers = {digest: instances.load(transaction, digest).header for digest in due}
        if not due:
            raise NotFoundError("The series was not judged.")
        for digest in due:
            if not unit_of(headers[digest], units).needs_others:
                continue
            way.judge(digest)
            with database.begin() as transaction:
                if instances.load_disposition(transaction, digest) is not None:
                    return digest
