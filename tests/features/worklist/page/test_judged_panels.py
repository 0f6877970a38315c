"""What the panel says first of really judged objects: samples of pydicom-data, and the project's phantoms as files.

``python -m tests.features.worklist.page.test_judged_panels`` writes the texts anew; read what changed before they
are kept.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydicom import dcmread

from demo.samples import DEFECTS
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.catalogue import spoken
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.worklist.page.study.panel import panel_of
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.web.app import create_app
from miqa_node.local import LocalAssessor
from miqa_node.local_series import LocalSeriesAssessor, group_files
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import instances
from miqa_selftest.radiographs import make_radiographs
from tests.features.mammogram_pairs.pairs_making import mammogram_file
from tests.runtime.store.making import received
from tests.stages.measure.series import making
from tests.web.staging import Stage, phantom_png, staging

pytestmark = pytest.mark.more

pytest.importorskip("data_store", reason="pydicom-data is not installed")

GOLDEN = Path(__file__).with_name("judged_panels.txt")
LANGUAGES = ("en", "de")
SEVERAL = "two patients in one study"
Judged = tuple[Assessment, Disposition]


def sample(name: str) -> Path:
    """A file of pydicom-data."""
    return Path(str(files("data_store") / "data" / name))


def changed(source: Path, path: Path, **elements: Any) -> Path:
    """A copy with other elements, and without what else names the part."""
    dataset = dcmread(source)
    for name in ("AnatomicRegionSequence", "ViewCodeSequence"):
        dataset.pop(name, None)
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def cut_chest(folder: Path) -> list[Path]:
    """The chest of pydicom-data with its lungs cut off by 30 mm."""
    [cut] = [one for one in DEFECTS if one.finding == FindingName.CLIPPED_ANATOMY]
    path = folder / "cut.dcm"
    path.write_bytes(make_radiographs([cut])[-1].data)
    return [path]


def water(seed: int) -> making.Image:
    """A round bottle."""
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - (making.SIDE - 1) / 2
    image = np.where(np.hypot(y, x) < 60, 0.0, -1000.0)
    return np.asarray(image + np.random.default_rng(seed).normal(0.0, 8.0, image.shape))


def without_one(folder: Path, images: Sequence[making.Image], modality: str) -> list[Path]:
    """A series of which a slice in the middle did not arrive."""
    paths = making.write_series(folder, list(images), modality)
    return [*paths[:5], *paths[6:]]


KINDS: dict[str, Callable[[Path], list[Path]]] = {
    "chest, flagged": cut_chest,
    "chest, accepted": lambda _: [sample("RG1_UNCR.dcm")],
    "knee, not switched on": lambda folder: [
        changed(sample("RG3_UNCR.dcm"), folder / "knee.dcm", BodyPartExamined="KNEE", ViewPosition="AP")
    ],
    "wrong label: a leg that is called a chest": lambda folder: [
        changed(sample("RG3_UNCR.dcm"), folder / "leg.dcm", BodyPartExamined="CHEST", ViewPosition="PA")
    ],
    "CT, a slice is missing": lambda folder: without_one(folder, [making.body_ct(seed=one) for one in range(12)], "CT"),
    "MR, a slice is missing": lambda folder: without_one(folder, [making.head_mr(seed=one) for one in range(12)], "MR"),
    "CT, nothing found": lambda folder: making.write_series(
        folder, [making.chest_ct(seed=one) for one in range(12)], "CT"
    ),
    "MR, nothing found": lambda folder: making.write_series(  # of twelve drawn heads, all are one copy of another
        folder, [making.head_mr(seed=one) for one in range(10)], "MR"
    ),
    "mammograms of both sides": lambda folder: [
        mammogram_file(folder, number, view) for number, view in enumerate(("R CC", "L CC"))
    ],
    "ultrasound": lambda _: [sample("US1_UNCR.dcm")],
    "phantom": lambda folder: making.write_series(folder, [water(seed) for seed in range(8)], "CT"),
}


class Judge:
    """The shipped package and policy, as a node has them."""

    def __init__(self, local: LocalAssessor, folder: Path) -> None:
        self._local, self._folder = local, folder
        self._series = LocalSeriesAssessor(local, load_settings())

    @property
    def policy(self) -> Policy:
        return self._local.policy

    def judge(self, paths: Sequence[Path]) -> list[Judged]:
        """One for each image or series."""
        made = []
        for group in group_files(paths, load_settings()):
            one = self._series.assess(group) if group.slices else self._local.assess_file(group.files[0])
            made.append((one.assessment, one.disposition))
        return made

    def kind(self, name: str) -> list[Judged]:
        """The objects of a kind."""
        folder = self._folder / re.sub(r"\W+", "_", name)
        folder.mkdir()
        return self.judge(KINDS[name](folder))

    def lines(self, judged: Judged) -> tuple[str, str, str]:
        """The first three lines of its panel, in the language that is spoken."""
        assessment, disposition = judged
        return panel_of(assessment, disposition, {}).lines


def several_patients(judge: Judge, stage: Stage, folder: Path) -> str:
    """A chest and the same with its lungs cut, of different patients in one study; the address of its page."""
    study = "1.2.826.0.1.3680043.8.498.7"
    [cut] = cut_chest(folder)
    paths = [
        changed(source, folder / f"patient{number}.dcm", PatientID=f"100{number}", PatientName=name,
                StudyInstanceUID=study, SOPInstanceUID=f"{study}.{number}", SeriesInstanceUID=f"{study}.1{number}")
        for number, (source, name) in enumerate(((cut, "North^Anna"), (sample("RG1_UNCR.dcm"), "South^Bert")))
    ]  # fmt: skip
    now = datetime.now(UTC)
    for path, (assessment, disposition) in zip(paths, judge.judge(paths), strict=True):
        header, record = read_header(path)
        digest = assessment.digest
        Artifacts(stage.services.objects).keep_preview(digest, phantom_png())
        with stage.services.database.begin() as transaction:
            instances.record(transaction, header, record, received(digest, now), original_key(digest))
            instances.save_assessment(transaction, assessment)
            instances.save_disposition(transaction, digest, header.study_instance_uid, disposition, now)
            if disposition.flagged:
                worklist.flag(transaction, header.study_instance_uid, disposition.verdict, now)
    return f"/studies/{study}"


def lines_of_page(page: str) -> tuple[str, str, str]:
    """What the page of a study with several patients says first."""

    def words(pattern: str) -> str:
        match = re.search(pattern, page, re.DOTALL)
        assert match is not None, pattern
        return html.unescape(" ".join(re.sub("<[^>]+>", " ", match[1]).split()))

    what = words("<h1>(.*?)</h1>")
    to_do = words('aria-labelledby="several-patients">.*?</ul>(.*?)<form')
    title, value, limit = (
        words(rf'<table class="limits">.*?<tbody>\s*<tr[^>]*>{cells}') for cells in (
            "<th[^>]*>(.*?)</th>", "<th.*?</th><td[^>]*>(.*?)</td>", "<th.*?</th><td.*?</td><td[^>]*>(.*?)</td>")
    )  # fmt: skip
    return what, to_do, f"{title}: {value} ({limit})"


def texts(folder: Path) -> str:
    """All golden texts."""
    parts: list[str] = []
    with LocalAssessor(load_settings(work={"processes": 1}), calibrated=False) as local:
        judge = Judge(local, folder)
        judged = {name: judge.kind(name) for name in KINDS}
        (folder / "node").mkdir()
        with staging(folder / "node", page_size=9) as stage:
            address = several_patients(judge, stage, folder)
            services = replace(stage.services, policy=lambda: judge.policy)
            client = TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000))
            for language in LANGUAGES:
                with spoken(language):
                    panels = {name: [judge.lines(one) for one in of] for name, of in judged.items()}
                page = client.get(address, headers={"cookie": f"miqa_language={language}"}).text
                panels[SEVERAL] = [lines_of_page(page)]
                parts += [
                    "\n".join((f"[{language}] {name}", *(f"  {line}" for lines in of for line in lines)))
                    for name, of in panels.items()
                ]
        for name, of in judged.items():
            parts.append(f"[verdict] {name}\n" + "\n".join(f"  {one.verdict.value}" for _, one in of))
    return "\n\n".join(parts) + "\n"


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return texts(tmp_path_factory.mktemp("judged")).rstrip().split("\n\n")


@pytest.mark.parametrize("part", [*LANGUAGES, "verdict"])
def test_the_first_lines_of_judged_objects_are_what_what_to_do_and_the_worst_number(
    part: str, goldens: list[str]
) -> None:
    expected = GOLDEN.read_text("utf-8").rstrip().split("\n\n")
    assert [one for one in goldens if one.startswith(f"[{part}]")] == [
        one for one in expected if one.startswith(f"[{part}]")
    ]


def test_no_kind_of_series_can_be_accept_now(goldens: list[str]) -> None:
    """By the shipped policy of 2026-11-28.3. As soon as one can, its series without a fault is ACCEPT here."""
    verdicts = {one.partition("\n")[0]: one for one in goldens if one.startswith("[verdict]")}
    for name in ("CT, nothing found", "MR, nothing found"):
        assert Verdict.ACCEPT.value not in verdicts[f"[verdict] {name}"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        GOLDEN.write_text(texts(Path(made)), "utf-8")
