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
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.verdict import Verdict
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
from tests.interfaces.cli.conftest import Ran
from tests.parts import build_pipeline, results_of
from tests.stages.measure.series import making
from tests.stages.report.flagged import decode
from tests.stages.units.test_series_way import RULES, Rig

Image = making.Image
PATIENTS = ("CT_small.dcm", "MR_small.dcm", "J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm", "examples_overlay.dcm")
UNRESOLVED = worklist.WorklistFilter(state=tuple(worklist.UNRESOLVED))
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def judged(paths: list[Path], phantom: bool | None = None) -> SeriesResult:
    files = [(InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), path) for path in paths]
    header, _ = read_header(paths[-1])
    return judge_series(header, series_traits(header), files[-1][0], files, SliceTools(decode), 1000, phantom=phantom)


def numbers(result: SeriesResult) -> dict[str, float]:
    return {one.name: one.value for one in result.assessment.measurements}


def water(number: int) -> Image:
    """A round water phantom of CT."""
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - (making.SIDE - 1) / 2
    noise = np.random.default_rng(number).normal(0, 60, y.shape)
    return np.asarray(np.where(np.hypot(y, x) < 70, 0.0, -1000.0) + cv2.GaussianBlur(noise, (0, 0), 0.7))


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., list[Path]]:
    def write(images: list[Image], modality: str = "MR", **options: Any) -> list[Path]:
        return making.write_series(tmp_path / "made", images, modality, **options)

    return write


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


@pytest.mark.parametrize("name", PATIENTS)
@pytest.mark.parametrize("hinted", [False, True])
def test_no_patient_is_taken_for_a_phantom_not_even_if_the_header_names_one(name: str, hinted: bool) -> None:
    path = Path(str(get_testdata_file(name)))
    header, _ = read_header(path, nameless=True)
    slices = read_slices([(InstanceDigest("a"), path)])
    assert recognise(SeriesView(header, slices, SliceTools(decode)), series_traits(header), hinted=hinted) == ""


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_simulated_patients_stay_patients(made: Callable[..., list[Path]], modality: str) -> None:
    images = [making.body_ct(seed=n) if modality == "CT" else making.head_mr(seed=n) for n in range(6)]
    assert judged(made(images, modality)).assessment.phantom == ""


def test_an_object_that_the_field_cuts_off_says_nothing() -> None:
    assert likeness_of(np.full((96, 96), 500.0, np.float32), hounsfield=False) is None
    assert likeness_of(np.zeros((96, 96), np.float32), hounsfield=False) is None


def test_the_flag_of_the_header_is_enough(made: Callable[..., list[Path]]) -> None:
    def mark(dataset: FileDataset) -> None:
        dataset.QualityControlImage = "YES"

    result = judged(made([making.head_mr(seed=n) for n in range(3)], change=mark))
    assert result.assessment.phantom == "The header marks every image as one of a phantom (Quality Control Image)."


# ── measures whose cause can be ordinary ──


def test_a_jump_names_its_slice_and_says_why_it_matters(made: Callable[..., list[Path]]) -> None:
    images = [making.head_mr(seed=n) * (0.4 if n == 3 else 1.0) for n in range(7)]
    result = judged(made(images))
    [reason] = decide(result.assessment, read_policy(load_settings().policy_file)).reasons
    assert reason.text.startswith("Jump between slices: ")
    assert "(slice 4 of 7, Instance Number 4), above the limit of 25 %. The slice shows the same anatomy" in reason.text


def test_a_part_with_a_spacing_of_its_own_has_no_gap_and_a_missing_slice_has_a_place(
    made: Callable[..., list[Path]], tmp_path: Path
) -> None:
    def thin(dataset: FileDataset) -> None:
        dataset.SliceThickness = "2"

    images = [making.body_ct(seed=n) for n in range(9)]
    places = [0.0, 2.0, 4.0, 6.0, 8.0, 15.0, 22.0, 29.0, 36.0]
    assert numbers(judged(made(images, "CT", places_mm=places, change=thin)))["slice_gaps"] == 0
    missing = making.write_series(tmp_path / "m", images[:5], "CT", places_mm=[0.0, 5.0, 10.0, 20.0, 25.0])
    result = judged(missing)
    [reason] = decide(result.assessment, parse_policy(RULES)).reasons
    assert reason.text.startswith(
        "Gaps between slices: 1 (the largest, 10 mm, between slices 3 and 4, Instance Numbers 3 to 4), above the limit"
    )
    assert "anatomy there is not seen" in reason.text


# ── the list, and putting right ──


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def flagged_water(folder: Path) -> list[Path]:
    """A water phantom with metal in it: a patient's series like this would be flagged."""
    images = [water(number) for number in range(5)]
    images[2] = making.with_metal(images[2])
    return making.write_series(folder, images, "CT")


def judge_queued(rig: Rig) -> None:
    waiting = list(rig.jobs.digests)
    rig.jobs.digests.clear()
    for digest in waiting:
        rig.pipeline.judge(digest)


def test_page_and_rest_say_the_same(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*flagged_water(tmp_path / "s"))
    rig.finish(rig.look(30.0)[0])
    settings = load_settings(node={"data_dir": tmp_path})
    node = cast("PartContext", SimpleNamespace(queue=rig.jobs))
    services = WebServices(rig.database, rig.objects, settings, list, node=node)
    client = TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))
    page = client.get("/phantoms").text
    assert making.SERIES in page
    assert "This is a patient" in page
    [listed] = client.get("/api/v1/phantoms").json()["items"]
    assert (listed["series_instance_uid"], listed["is_phantom"]) == (making.SERIES, True)
    answer = client.post(f"/api/v1/phantoms/{making.SERIES}", json={"phantom": False, "actor": "mara"})
    assert (answer.status_code, answer.json()["is_phantom"]) == (200, False)
    judge_queued(rig)
    assert client.get("/api/v1/worklist", params={"state": "OPEN"}).json()["total"] == 1
    token = client.get("/phantoms").text.split('name="csrf" value="')[1].split('"')[0]
    form = {"series_uid": making.SERIES, "phantom": "true", "actor": "mara", "csrf": token}
    answer = client.post("/phantoms", data=form, headers={"origin": "http://localhost"}, follow_redirects=False)
    assert answer.status_code == 303
    judge_queued(rig)
    assert client.get("/api/v1/worklist", params={"state": "OPEN"}).json()["total"] == 0
    assert client.post("/api/v1/phantoms/1.2.3", json={"phantom": True, "actor": "mara"}).status_code == 404


@pytest.mark.more
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


@pytest.mark.more
def test_what_a_person_said_counts_more_than_pixels(made: Callable[..., list[Path]]) -> None:
    paths = made(acr(6))
    assert judged(paths, phantom=False).assessment.phantom == ""
    assert judged(paths, phantom=True).assessment.phantom == SAID_BY_A_PERSON


@pytest.mark.more
def test_two_b_values_at_each_place_are_two_volumes(made: Callable[..., list[Path]], tmp_path: Path) -> None:
    def weight(dataset: FileDataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
        dataset.DiffusionBValue = 0.0 if int(dataset.InstanceNumber) % 2 else 1000.0

    images = [making.head_mr(signal=600.0 if n % 2 == 0 else 150.0, seed=n) for n in range(16)]
    places = [5.0 * (n // 2) for n in range(16)]
    assert numbers(judged(made(images, places_mm=places, change=weight)))["slice_jump"] < 3.0
    unnamed = making.write_series(tmp_path / "unnamed", images, "MR", places_mm=places)
    assert numbers(judged(unnamed))["slice_jump"] < 3.0, "without b-values the order at each place tells volumes apart"


@pytest.mark.more
def test_a_slice_that_shows_something_else_is_no_jump(made: Callable[..., list[Path]]) -> None:
    assert numbers(judged(made(acr())))["slice_jump"] < 10.0


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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
