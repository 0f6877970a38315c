"""The package in force follows the site's choice and calibration, and a bad one never replaces a good one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
import pytest
import structlog

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.settings import Accelerator, Settings, load_settings
from miqa_node.errors import ModelPackageError
from miqa_node.libraries.plain_statistics.guarantee import Promise
from miqa_node.stages.assess.active import ActiveModels, chosen_package
from miqa_node.stages.assess.bare import GOLDENS_KEY, pack
from miqa_node.stages.assess.certificate import Certificate, Guarantee, policy_sha256
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.package_files import find_package, newest_package, package_folders, read_package_card
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.site_calibration import (
    HeadCalibration,
    Labels,
    SiteCalibration,
    calibration_path,
    write_calibration,
)
from tests.policies import ACCEPT, policy_of
from tests.stages.assess.making import CLASSES, RADIOGRAPH, chest_header, radiograph, sha256, write_package

POLICY = policy_of(ACCEPT, version="p1")
DIGEST = InstanceDigest("a" * 64)


class Rig:
    def __init__(self, folder: Path, **assess: Any) -> None:
        self.models = folder / "models"
        for version in ("1.0.0", "1.1.0"):
            write_package(self.models / f"quality-{version}", version, "quality")
        self.settings: Settings = load_settings(
            node={"data_dir": folder / "node", "accelerator": "cpu", "site": "here"},
            assess={"shipped_packages": False, "models_dir": str(self.models)} | assess,
        )
        self.choice = ModelChoice()
        self.active = ActiveModels(self.settings, lambda: self.choice)

    def choose(self, package: str) -> None:
        self.choice = ModelChoice(active=package)
        self.active.follow()

    def assess(self) -> Assessment:
        return self.active.assessor().assess(chest_header(), radiograph(), DIGEST, RADIOGRAPH).assessment

    def version(self) -> str:
        model = self.assess().model
        return model.version if model else ""

    def calibrate(self, version: str, **changes: Any) -> SiteCalibration:
        """A calibration that doubles every temperature of the card, and a certificate."""
        head = HeadCalibration(
            temperature=4.0, bias=0.1, threshold=0.3, fitted=True, present=1, ece_before=0.1, ece_after=0.01
        )
        promise = Guarantee(promise=Promise.BAD_ACCEPTED, limit=0.05, delta=0.05, n=100, k=1, upper_limit=0.047)
        made = SiteCalibration(
            package=f"quality-{version}",
            model_sha256=sha256(self.models / f"quality-{version}" / "model.onnx"),
            site="here",
            made_at=datetime(2026, 11, 20, tzinfo=UTC),
            labels=Labels(
                origin="table", simulated=False, patients=1, patients_known=True, bad=1, fitted=0, tested=1
            ),
            offset=-0.5,
            heads=dict.fromkeys(CLASSES, head),
            certificate=Certificate(
                made_on=datetime(2026, 11, 20, tzinfo=UTC).date(), world="site", site="here", policy_version="p1",
                policy_sha256=policy_sha256(POLICY), guarantees=(promise,),
            ),
        ).model_copy(update=changes)  # fmt: skip
        write_calibration(calibration_path(self.settings.node.data_dir, made.package), made)
        return made


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_the_newest_judges_until_the_site_chooses_another(rig: Rig) -> None:
    assert rig.version() == "1.1.0"
    rig.choose("quality-1.0.0")
    assert rig.version() == "1.0.0"
    assert rig.active.name == "quality-1.0.0"
    rig.choose("")
    assert rig.version() == "1.1.0"


def test_an_assessment_that_runs_finishes_on_the_package_it_began_with(rig: Rig) -> None:
    running = rig.active.assessor()
    rig.choose("quality-1.0.0")
    model = running.assess(chest_header(), radiograph(), DIGEST, RADIOGRAPH).assessment.model
    assert model is not None
    assert model.version == "1.1.0"


def test_a_package_that_the_settings_name_is_not_overruled(tmp_path: Path) -> None:
    rig = Rig(tmp_path, quality_package="quality-1.0.0")
    rig.choose("quality-1.1.0")
    assert rig.version() == "1.0.0"
    assert chosen_package(rig.settings, rig.choice) == rig.models / "quality-1.0.0"


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_choice_that_cannot_be_used_changes_nothing_and_is_said_once(rig: Rig, damage: str) -> None:
    assert rig.version() == "1.1.0"
    folder = rig.models / "quality-1.0.0"
    if damage == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "golden/0.json").write_text("{}")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            rig.choose("quality-1.0.0")
    # That a package is unsigned is said once in a process, so it may have been said by an earlier test.
    assert [entry["log_level"] for entry in logs if "no trusted key" not in entry["event"]] == ["error"]
    assert rig.version() == "1.1.0"
    shutil.rmtree(folder, ignore_errors=True)
    rig.choose("quality-1.1.0")
    assert rig.version() == "1.1.0"


def test_a_choice_that_is_mended_works_at_the_next_choice(rig: Rig) -> None:
    rig.active.load()
    folder = rig.models / "quality-1.0.0"
    (folder / "model.onnx").rename(folder / "away")
    rig.choose("quality-1.0.0")
    assert rig.version() == "1.1.0"
    (folder / "away").rename(folder / "model.onnx")
    rig.choose("")
    rig.choose("quality-1.0.0")
    assert rig.version() == "1.0.0"


def test_without_a_good_package_at_the_start_the_error_says_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.choice = ModelChoice(active="quality-7.0.0")
    with pytest.raises(ModelPackageError, match=r"quality-7\.0\.0 is not in"):
        rig.active.check()


# ── the site's calibration ──


def test_a_calibration_is_used_as_soon_as_it_is_there_and_only_for_its_package(rig: Rig) -> None:
    before = rig.assess()
    assert before.calibration == ""
    rig.calibrate("1.1.0")
    rig.active.follow()
    after = rig.assess()
    assert len(after.calibration) == 64
    assert {f.threshold for f in after.findings} == {0.3}
    assert before.findings[3].probability != after.findings[3].probability
    assert rig.active.certificate(after, POLICY).startswith("certified 2026-11-20 for here")
    rig.choose("quality-1.0.0")
    assert rig.assess().calibration == ""
    rig.choose("quality-1.1.0")  # it survived
    assert rig.assess().calibration == after.calibration


def test_a_removed_calibration_gives_the_card_back(rig: Rig) -> None:
    rig.calibrate("1.1.0")
    assert {f.threshold for f in rig.assess().findings} == {0.3}
    calibration_path(rig.settings.node.data_dir, "quality-1.1.0").unlink()
    rig.active.follow()
    assert {f.threshold for f in rig.assess().findings} == {0.5}
    assert rig.active.certificate(rig.assess(), POLICY).endswith("not calibrated with labels of the site")


@pytest.mark.parametrize(
    ("changes", "says"), [({"model_sha256": "0" * 64}, "the model changed"), ({"site": "there"}, "another site")]
)
def test_a_calibration_that_does_not_fit_is_said_and_not_used(rig: Rig, changes: dict[str, str], says: str) -> None:
    rig.calibrate("1.1.0", **changes)
    with structlog.testing.capture_logs() as logs:
        assessment = rig.assess()
    assert says in str(logs)
    assert assessment.calibration == ""
    assert {f.threshold for f in assessment.findings} == {0.5}
    assert says in rig.active.certificate(assessment, POLICY)


def test_a_verdict_gets_only_the_certificate_of_what_judged_it(rig: Rig) -> None:
    plain = rig.assess()
    rig.calibrate("1.1.0")
    rig.active.follow()
    certified = rig.assess()
    assert "changed after the image was assessed" in rig.active.certificate(plain, POLICY)
    assert "policy changed" in rig.active.certificate(certified, replace(POLICY, version="p2"))
    assert rig.active.certificate(replace(certified, model=None), POLICY) == "no certificate: no model judged the image"
    knee = replace(certified, model=ModelIdentity("any-radiograph", "1.0.0", "ab" * 32), experimental="no figures")
    for other in (knee, replace(knee, experimental="", has_figures=True)):
        assert (
            rig.active.certificate(other, POLICY)
            == "no certificate: any-radiograph-1.0.0 judged the image, and has none"
        )
    rig.choose("quality-1.0.0")
    assert rig.active.certificate(certified, POLICY).startswith("no certificate")


# ── a package in one file ──


def bare(rig: Rig, version: str = "1.0.0", **metadata: Any) -> Path:
    """Turn the folder of a version into one file; ``metadata`` replaces entries, None takes them out."""
    folder = rig.models / f"quality-{version}"
    path = rig.models / f"quality-{version}.onnx"
    pack(folder, read_package_card(folder), "model.onnx", path)
    shutil.rmtree(folder)
    if metadata:
        model = onnx.load(path)
        entries = {item.key: item.value for item in model.metadata_props} | metadata
        onnx.helper.set_model_props(model, {key: value for key, value in entries.items() if value is not None})
        onnx.save(model, path)
    return path


def test_a_dropped_file_judges_nothing_until_it_is_chosen(rig: Rig) -> None:
    expected = rig.assess()
    path = bare(rig, "1.1.0")
    assert package_folders(rig.models) == [rig.models / "quality-1.0.0", path]
    assert newest_package(rig.models, "quality") == rig.models / "quality-1.0.0"
    assert find_package(rig.models, "quality-1.1.0") == path
    rig.choose("quality-1.1.0")
    result = rig.assess()
    assert [f.probability for f in result.findings] == [f.probability for f in expected.findings]
    assert result.model is not None
    assert result.model.sha256 == sha256(path)


def test_a_file_without_goldens_is_only_a_candidate(rig: Rig) -> None:
    path = bare(rig, **dict[str, Any]({GOLDENS_KEY: None}))
    with pytest.raises(ModelPackageError, match="only run as a candidate"):
        open_package(path, Accelerator.CPU, rig.settings.assess)
    assert open_package(path, Accelerator.CPU, rig.settings.assess, goldens_required=False).golden_differences == {}


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"miqa_card": None}, "holds no card"),
        ({"miqa_card": "{"}, "not JSON"),
        ({"miqa_card": "[]"}, "not JSON"),
        ({"miqa_card": "{}"}, "does not follow the schema: name"),
        ({GOLDENS_KEY: "{"}, "goldens in the metadata cannot be read"),
        ({GOLDENS_KEY: '{"0": {"png": "AAAA", "expected": {}}}'}, "not a grayscale PNG"),
    ],
)
def test_a_file_with_a_wrong_inside_is_refused_and_named(rig: Rig, metadata: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelPackageError, match=says):
        open_package(bare(rig, **metadata), Accelerator.CPU, rig.settings.assess)


def test_what_is_no_graph_or_called_otherwise_is_refused(rig: Rig) -> None:
    path = bare(rig)
    other = path.rename(rig.models / "quality-2.0.0.onnx")
    with pytest.raises(ModelPackageError, match=r"called quality-1\.0\.0; rename it"):
        open_package(other, Accelerator.CPU, rig.settings.assess)
    other.write_bytes(b"\x80 not a graph")
    with pytest.raises(ModelPackageError, match="not an ONNX graph"):
        open_package(other, Accelerator.CPU, rig.settings.assess)
    assert find_package(rig.models, "../models/quality-2.0.0") is None


# ── the card as a page ──


def test_the_page_of_a_card_says_everything_in_it(rig: Rig) -> None:
    folder = rig.models / "quality-1.1.0"
    card = read_package_card(folder)
    rich = card.model_copy(update={
        "not_for": ("children", "CT"),
        "limits": ("simulated | only",),
        "training": {"seed": 3, "data": [{"source": "NIH", "licence": "CC0", "images": 12}]},
        "metrics": {"mean": 0.91234, "findings": {"motion_blur": {"auroc": 0.97, "interval": [0.9, 0.99],
                                                                  "native": {"images": 7}}}},
    })  # fmt: skip
    page = model_card(rich)
    for text in (
        "# quality 1.1.0", "**Not for:** children; CT.", "- simulated | only", "- Modality: CR", "0.05 to 1 mm",
        "| motion_blur | no | 111207 DCM", "| blank | yes |", "None: a site makes its own", "| NIH | CC0 | 12 |",
        "- Seed: 3", "- Mean: 0.9123", "| motion_blur | 0.97 | 0.9, 0.99 | 7 |",
        f"| model.onnx | {card.files['model.onnx']} |",
    ):  # fmt: skip
        assert text in page, text
