# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Series of phantoms are recognised by their pixels, kept from the worklist, and put right by a person."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.delivery import KOS, SR
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.phantom import SAID_BY_A_PERSON, PhantomSeries
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms import statement
from miqa_node.features.worklist.rows import overview, worklist
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.parts import PartContext
from miqa_node.runtime.store import tables
from miqa_node.runtime.work.queue import migrate_queue
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.phantom import likeness_of, recognise
from miqa_node.stages.assess.series import SeriesResult, judge_series
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import read_slices
from miqa_node.stages.report.withdrawal import notes_in_force
from miqa_node.stages.units.base import UnitContext
from miqa_node.stages.units.kinds import series_traits
from miqa_node.stages.units.rows import instances, reassessments
from miqa_node.stages.units.series import SeriesUnit
from tests.features.phantoms.test_phantoms import Image, flagged_water, judged, made, numbers, rig, water
from tests.interfaces.cli.conftest import Ran
from tests.parts import build_pipeline, results_of
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode
from tests.stages.units.test_series_way import RULES, Rig

UNRESOLVED = worklist.WorklistFilter(state=tuple(worklist.UNRESOLVED))


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def acr(slices: int = 11, seed: int = 0, shading: float = 0.5) -> list[Image]:
    """A water cylinder of MR: a notch at the top, a dark block in slice 5, bars in the first, uneven reception."""
    images = []
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - (making.SIDE - 1) / 2
    distance = np.hypot(y, x) / 72
    for number in range(slices):
        image = np.where(distance < 1, 800.0 * (1 - shading * (1 - distance**2)), 0.0)
        image[24:36, 90:102] = 0.0
        if number == 4:
            image[60:130, 40:152] *= 0.03
        if number == 0:
            image[80:110, 40:152:8] = 0.0
        noise = random.normal(0, 8, (2, *image.shape))
        images.append(np.hypot(image + noise[0], noise[1]))
    return images


def cylinder_from_the_side() -> Image:
    """A localizer: the rectangle of a cylinder, slightly turned, with a groove."""
    image = np.zeros((making.SIDE, making.SIDE))
    corners = cv2.boxPoints(((96, 92), (120, 96), 2.0)).astype(np.int32)
    cv2.fillPoly(image, [corners], 600.0)
    image[60:64, 60:130] = 0.0
    noise = np.random.default_rng(1).normal(0, 8, (2, *image.shape))
    return np.asarray(np.hypot(image + noise[0], noise[1]))


def say(rig: Rig, is_phantom: bool, comment: str = "", at: datetime | None = None) -> PhantomSeries:
    """A person says what the series shows."""
    with rig.database.begin() as transaction:
        queue, now = rig.jobs, at or datetime.now(UTC)
        return statement.say(transaction, queue, making.SERIES, "mara", comment, now, is_phantom=is_phantom)


def judge_again(rig: Rig) -> None:
    """Jobs that were queued."""
    waiting = list(rig.jobs.digests)
    rig.jobs.digests.clear()
    for digest in waiting:
        rig.pipeline.judge(digest)


def remove_files(rig: Rig) -> None:
    """As retention does."""
    with rig.database.begin() as transaction:
        keys = transaction.execute(sa.select(tables.instances.c.object_key)).scalars().all()
        values = {"removed_at": rig.now, "removal_cause": RemovalCause.AGE.value}
        transaction.execute(sa.update(tables.instances).values(**values))
    for key in keys:
        rig.objects.local_path(key).unlink()


@pytest.mark.parametrize(
    ("images", "modality"),
    [
        (acr(), "MR"),
        (acr(shading=0.0), "MR"),
        ([cylinder_from_the_side()], "MR"),
        ([water(number) for number in range(4)], "CT"),
    ],
    ids=["shaded cylinder", "even cylinder", "from the side", "noisy water"],
)
def test_a_phantom_is_recognised_without_a_word_of_the_header(
    made: Callable[..., list[Path]], images: list[Image], modality: str
) -> None:
    paths = made(images, modality)
    assert not read_header(paths[0])[0].quality_control
    result = judged(paths)
    assert result.assessment.phantom.startswith("The pixels show a test object, not a patient: ")
    disposition = decide(result.assessment, read_policy(load_settings().policy_file))
    assert (disposition.verdict, disposition.flagged) == (Verdict.NOT_ASSESSED, False)
    assert [reason.name for reason in disposition.reasons] == ["phantom"]


def test_what_a_person_said_counts_more_than_pixels(made: Callable[..., list[Path]]) -> None:
    paths = made(acr(6))
    assert judged(paths, phantom=False).assessment.phantom == ""
    assert judged(paths, phantom=True).assessment.phantom == SAID_BY_A_PERSON


def test_two_b_values_at_each_place_are_two_volumes(made: Callable[..., list[Path]], tmp_path: Path) -> None:
    def weight(dataset: FileDataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
        dataset.DiffusionBValue = 0.0 if int(dataset.InstanceNumber) % 2 else 1000.0

    images = [making.head_mr(signal=600.0 if n % 2 == 0 else 150.0, seed=n) for n in range(16)]
    places = [5.0 * (n // 2) for n in range(16)]
    assert numbers(judged(made(images, places_mm=places, change=weight)))["slice_jump"] < 3.0
    unnamed = making.write_series(tmp_path / "unnamed", images, "MR", places_mm=places)
    assert numbers(judged(unnamed))["slice_jump"] < 3.0, "without b-values the order at each place tells volumes apart"


def test_a_slice_that_shows_something_else_is_no_jump(made: Callable[..., list[Path]]) -> None:
    assert numbers(judged(made(acr())))["slice_jump"] < 10.0


def test_a_phantom_is_on_its_own_list_and_put_back_by_a_person(rig: Rig, tmp_path: Path) -> None:
    paths = flagged_water(tmp_path / "s")
    rig.receive(*paths[:4])
    [anchor] = rig.look(30.0)
    assert rig.finish(anchor) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        assert worklist.count(transaction, UNRESOLVED) == 0
        assert overview.look(transaction, datetime(2026, 1, 1, tzinfo=UTC)).not_assessed == 0
        [listed] = phantoms.page(transaction, limit=9)
        assert (listed.series_instance_uid, listed.is_phantom, listed.decided_by) == (making.SERIES, True, "")
    state = say(rig, is_phantom=False)
    assert (state.is_phantom, state.decided_by) == (False, "mara")
    judge_again(rig)
    with rig.database.begin() as transaction:
        [item] = worklist.select(transaction, worklist.WorklistFilter(), limit=9)
        assert [image.digest for image in item.images] == [anchor]
        assert item.verdict is Verdict.REVIEW
        assert len([one for one in results_of(transaction, anchor) if one.kind == SR]) == 2, "a new report"
    rig.receive(paths[4])
    [late] = rig.look(30.0)
    assert rig.finish(late) is Verdict.REVIEW, "what the person said holds for late slices"
    say(rig, is_phantom=True, comment="it is one after all")
    judge_again(rig)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, late)
        assert disposition is not None
        assert [reason.text for reason in disposition.reasons] == [SAID_BY_A_PERSON]
        assert worklist.count(transaction, UNRESOLVED) == 0
        assert phantoms.count(transaction) == 1


def test_a_series_that_was_not_recognised_can_be_named_one(rig: Rig, tmp_path: Path) -> None:
    images = [making.with_metal(making.body_ct(seed=n)) for n in range(3)]
    rig.receive(*making.write_series(tmp_path / "s", images, "CT"))
    with pytest.raises(ConflictError, match="no assessment yet"):
        say(rig, is_phantom=True)
    [anchor] = rig.look(30.0)
    assert rig.finish(anchor) is Verdict.REVIEW
    say(rig, is_phantom=True)
    judge_again(rig)
    with rig.database.begin() as transaction:
        assert worklist.count(transaction, UNRESOLVED) == 0
        with pytest.raises(NotFoundError):
            statement.say(transaction, rig.jobs, "1.2.3.99", "mara", "", NOW, is_phantom=True)


@pytest.mark.parametrize("gone", [False, True], ids=["files here", "files gone"])
def test_a_phantom_and_a_patient_again_with_files_or_without(rig: Rig, tmp_path: Path, gone: bool) -> None:
    """Where the files are gone, the stored assessment is decided again; the key object is withdrawn all the same."""
    images = [making.with_metal(making.body_ct(seed=n)) for n in range(4)]
    rig.receive(*making.write_series(tmp_path / "s", images, "CT"))
    [anchor] = rig.look(30.0)
    assert rig.finish(anchor) is Verdict.REVIEW
    if gone:
        remove_files(rig)
    for is_phantom, verdict in ((True, Verdict.NOT_ASSESSED), (False, Verdict.REVIEW)):
        say(rig, is_phantom=is_phantom)
        judge_again(rig)
        with rig.database.begin() as transaction:
            disposition = instances.load_disposition(transaction, anchor)
            made = results_of(transaction, anchor)
            assert not reassessments.count_waiting(transaction)
            assert worklist.count(transaction, UNRESOLVED) == (verdict is Verdict.REVIEW)
        assert disposition is not None
        assert disposition.verdict is verdict
        assert all(reason.name != "report_failed" for reason in disposition.reasons)
        notes = notes_in_force(rig.objects.local_path(one.object_key) for one in made if one.kind == KOS)
        assert len(notes) == (verdict is Verdict.REVIEW and not gone)
    assert len([one for one in made if one.kind == SR]) == (1 if gone else 3)


def test_what_a_person_says_while_the_series_is_judged_is_not_lost(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [making.with_metal(making.body_ct(seed=n)) for n in range(3)]
    rig.receive(*making.write_series(tmp_path / "s", images, "CT"))
    [anchor] = rig.look(30.0)
    rig.finish(anchor)
    with rig.database.begin() as transaction:
        assert reassessments.ask(transaction, anchor, "kim", "", rig.now)
    judge = SeriesUnit.judge

    def judge_slowly(unit: SeriesUnit, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        result = judge(unit, instance, context)
        say(rig, is_phantom=True)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(SeriesUnit, "judge", judge_slowly)
        assert rig.finish(anchor) is Verdict.REVIEW
    assert rig.jobs.digests == [anchor]
    assert rig.finish(anchor) is Verdict.NOT_ASSESSED


def test_a_series_that_is_no_phantom_once_all_of_it_came_is_not_listed_any_more(rig: Rig, tmp_path: Path) -> None:
    images = [water(0), *(making.body_ct(seed=n) for n in range(1, 5))]
    paths = making.write_series(tmp_path / "s", images, "CT")
    rig.receive(paths[0])
    rig.finish(rig.look(30.0)[0])
    with rig.database.begin() as transaction:
        assert phantoms.count(transaction) == 1
    rig.receive(*paths[1:])
    rig.finish(rig.look(30.0)[0])
    with rig.database.begin() as transaction:
        assert phantoms.count(transaction) == 0


def test_in_silent_days_what_is_no_phantom_after_all_flags_nothing(rig: Rig, tmp_path: Path, pool: WorkerPool) -> None:
    rig.receive(*flagged_water(tmp_path / "s"))
    [anchor] = rig.look(30.0)
    rig.finish(anchor)
    say(rig, is_phantom=False)
    rig.pipeline = build_pipeline(
        rig.database, rig.objects, rig.jobs, pool, parse_policy(RULES), lambda _kind: [], silence=lambda _header: "new"
    )
    judge_again(rig)
    with rig.database.begin() as transaction:
        assert worklist.count(transaction, UNRESOLVED) == 0
        disposition = instances.load_disposition(transaction, anchor)
        assert disposition is not None
        assert (disposition.verdict, disposition.silent) == (Verdict.REVIEW, True)


def test_the_command_lists_and_puts_right(pool: WorkerPool, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    rig = Rig(folder, pool)
    rig.receive(*flagged_water(tmp_path / "s"))
    [anchor] = rig.look(30.0)
    rig.finish(anchor)
    migrate_queue(rig.database)
    listed = cli("phantoms", "list", "--json", "--data-dir", folder)
    assert [one["series_instance_uid"] for one in listed.json["items"]] == [making.SERIES]
    answer = cli("phantoms", "patient", making.SERIES, "--as", "mara", "--json", "--data-dir", folder)
    assert (answer.code, answer.json["is_phantom"]) == (0, False)
    rig.pipeline.judge(anchor)
    assert cli("worklist", "list", "--json", "--data-dir", folder).json["total"] == 1
    assert "patient" in cli("phantoms", "list", "--data-dir", folder).out
    assert cli("phantoms", "phantom", making.SERIES, "--as", "mara", "--data-dir", folder).code == 0
    rig.database.close()
