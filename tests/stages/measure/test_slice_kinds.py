"""What a slice is comes before any limit: headers tell kinds, and only what means something is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.slice_kind import KIND_NAMES, KINDS, kind_named, kind_of_all
from miqa_node.core.domain.verdict import Verdict
from miqa_node.errors import SettingsError
from miqa_node.stages.measure.base import is_meant, series_measures
from miqa_node.stages.measure.slices import read_slices
from tests.policies import ACCEPT, policy_of
from tests.stages.measure.drawn_series import Change, body, flags, heads, issues, judged, value, write


def private(group: int, creator: str, element: int, vr: str, number: object) -> Change:
    """A maker's element in every slice."""

    def add(ds: FileDataset) -> None:
        ds.private_block(group, creator, create=True).add_new(element, vr, number)

    return add


def given(**values: object) -> Change:
    """Elements of every slice."""

    def change(ds: FileDataset) -> None:
        for keyword, one in values.items():
            setattr(ds, keyword, one)

    return change


def reconstructed(**values: object) -> Change:
    """A functional group of the reconstruction, as enhanced CT has it in place of the elements themselves."""

    def change(ds: FileDataset) -> None:
        del ds.ConvolutionKernel
        group, shared = Dataset(), Dataset()
        for keyword, one in values.items():
            setattr(group, keyword, one)
        shared.CTReconstructionSequence = [group]
        ds.SharedFunctionalGroupsSequence = [shared]

    return change


def region(meaning: str) -> Change:
    """Anatomic Region Sequence in place of Body Part Examined."""

    def change(ds: FileDataset) -> None:
        del ds.BodyPartExamined
        code = Dataset()
        code.CodeMeaning = meaning
        ds.AnatomicRegionSequence = [code]

    return change


MR_KINDS: dict[str, tuple[Change, str]] = {
    "spin echo": (given(), "structural"),
    "echo-planar": (given(ScanningSequence=["EP", "GR"]), "echo-planar"),
    "public b-value": (given(ScanningSequence="EP", DiffusionBValue=1000.0), "diffusion"),
    "b-value of 0 in every image": (given(DiffusionBValue=0.0), "structural"),
    "b-value of Siemens": (private(0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "0"), "diffusion"),
    "b-value of UIH": (private(0x0065, "Image Private Header", 0x09, "FD", 1000.0), "diffusion"),
    "b-value of GE": (private(0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000001000", "8", "0", "0"]), "diffusion"),
    "no b-value of GE": (private(0x0043, "GEMS_PARM_01", 0x39, "IS", ["0", "268435456", "0", "0"]), "structural"),
    "b-value of Philips": (private(0x2001, "Philips Imaging DD 001", 0x03, "FL", 1000.0), "diffusion"),
    "b-value of 0 of Philips": (private(0x2001, "Philips Imaging DD 001", 0x03, "FL", 0.0), "structural"),
    "mosaic by its type": (given(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]), "mosaic"),
    "mosaic by its tiles": (private(0x0019, "SIEMENS MR HEADER", 0x0A, "US", 36), "mosaic"),
    "volume frame of UIH": (given(ImageType=["ORIGINAL", "PRIMARY", "M", "VFRAME"]), "mosaic"),
    "phase by its type": (given(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]), "phase"),
    "imaginary by its component": (given(ComplexImageComponent="IMAGINARY"), "phase"),
    "real image of GE": (private(0x0043, "GEMS_PARM_01", 0x2F, "SS", 2), "phase"),
    "diffusion map": (given(ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"]), "computed"),
    "map called original": (given(ImageType=["ORIGINAL", "PRIMARY", "DIFFUSION", "TRACEW"]), "computed"),
    "subtraction": (given(ImageType=["DERIVED", "SECONDARY", "SUBTRACTION"]), "computed"),
    "oblique plane of GE": (given(ImageType=["ORIGINAL", "PRIMARY", "MPR"]), "structural"),
    "field map": (given(SeriesDescription="gre_field_mapping"), "field map"),
    "angiogram": (given(AngioFlag="Y"), "angiography"),
    "spin labelling": (given(SeriesDescription="pCASL_3D"), "labelling"),
    "phase contrast": (given(AcquisitionContrast="FLOW_ENCODED"), "flow"),
    "research sequence": (given(ScanningSequence="RM"), "other MR"),
}
CT_KINDS: dict[str, tuple[Change, str]] = {
    "soft kernel": (given(), "body"),
    "head": (given(BodyPartExamined="HEAD"), "head"),
    "lumbar spine": (given(BodyPartExamined="LSPINE"), "spine or limb"),
    "bone": (given(ConvolutionKernel="BONEPLUS"), "bone kernel"),
    "bone by number": (given(ConvolutionKernel=["Hr60f", "3"]), "bone kernel"),
    "lung": (given(ConvolutionKernel="FC51"), "lung kernel"),
    "bone by its description": (given(ConvolutionKernel="12", SeriesDescription="Petrous bone 0.6"), "bone kernel"),
    "lung screening": (given(SeriesDescription="LUNG SCREENING"), "body"),
    "bone of an enhanced image": (reconstructed(ConvolutionKernelGroup="BONE"), "bone kernel"),
    "region by its code": (region("Lumbar spine"), "spine or limb"),
    "mono-energetic": (given(ImageType=["DERIVED", "PRIMARY", "AXIAL", "VMI"]), "spectral"),
    "iodine": (given(RescaleType="MGML"), "spectral"),
    "localizer": (given(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
    "dose page": (given(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"], RescaleType="US"), "page"),
    "protocol page": (given(ImageType=["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"]), "page"),
    "cone beam by its description": (given(SeriesDescription="CBCT maxilla"), "cone beam"),
    "jaw without a kernel": (given(BodyPartExamined="JAW", ConvolutionKernel=""), "cone beam"),
    "jaw with a kernel": (given(BodyPartExamined="JAW"), "head"),
    "chest without a kernel": (given(ConvolutionKernel=""), "body"),
}


@pytest.mark.parametrize("case", MR_KINDS)
def test_the_header_of_an_mr_slice_says_its_kind(case: str, tmp_path: Path) -> None:
    change, name = MR_KINDS[case]
    [path] = write(tmp_path, heads(1, side=64), "MR", change)
    assert read_slices([("a", path)])[0].kind.name == name  # type: ignore[list-item]


@pytest.mark.parametrize("case", CT_KINDS)
def test_the_header_of_a_ct_slice_says_its_kind(case: str, tmp_path: Path) -> None:
    change, name = CT_KINDS[case]
    [path] = write(tmp_path, [body(0.5)], "CT", change)
    assert read_slices([("a", path)])[0].kind.name == name  # type: ignore[list-item]


def test_every_row_names_measurements_that_there_are() -> None:
    names = {one.name for modality in ("CT", "MR", "PT") for one in series_measures(modality)}
    assert all(set(one.without) <= names for one in KINDS)
    assert len(set(KIND_NAMES)) == len(KIND_NAMES)
    assert kind_of_all({kind_named("echo-planar"), kind_named("diffusion")}).name == "diffusion"


@pytest.mark.parametrize("case", ["mosaic by its tiles", "phase by its type", "field map", "research sequence"])
def test_what_no_limit_was_tried_on_is_never_flagged(case: str, tmp_path: Path) -> None:
    """A doubled slice, a gap, and a zipper through all of it."""
    images = heads()
    images[4] = images[3]
    for image in images:
        image[:, ::7] += 400.0
    paths = write(tmp_path, images, "MR", MR_KINDS[case][0])
    assessment, disposition = judged([*paths[:6], *paths[7:]])
    assert disposition.verdict is Verdict.NOT_ASSESSED
    assert not disposition.flagged
    assert assessment.unfit == kind_named(MR_KINDS[case][1]).unjudged


def test_a_mosaic_is_called_so_and_its_tiles_are_not_measured_as_one_slice(tmp_path: Path) -> None:
    assessment, disposition = judged(write(tmp_path, heads(), "MR", MR_KINDS["mosaic by its type"][0]))
    assert "mosaics" in disposition.reasons[0].text
    assert value(assessment, "slice_count") == 12.0
    assert value(assessment, "mr_snr") is None


def test_kinds_without_a_modality_are_refused() -> None:
    with pytest.raises(SettingsError, match="name their modality"):
        policy_of(ACCEPT, where={"all": {"kind": ["structural"]}})


@pytest.mark.more
def test_what_means_nothing_for_a_kind_cannot_flag_by_an_older_policy(tmp_path: Path) -> None:
    strict = [
        {"measurement": name, "above": -1e9, "then": "REVIEW", "reason": "111207"} for name in ("mr_ghost", "mr_spikes")
    ]
    policy = policy_of(*strict, where={"MR": {"modality": ["MR"]}})
    assessment, disposition = judged(write(tmp_path, heads(), "MR", given(ScanningSequence="EP")), policy)
    assert assessment.kind == "echo-planar"
    assert not flags(disposition)
    assert "half the field by nature" in issues(assessment)["measures_left_out"]
    assert not any(is_meant(one, kind_named("echo-planar")) for one in series_measures("MR") if one.name == "mr_ghost")


@pytest.mark.more
def test_a_place_is_what_a_person_finds_at_the_workstation(tmp_path: Path) -> None:
    """Rank in the stack, and the numbers of the header, which count another way round."""
    images = heads()
    images[6] = images[6] * 0.5
    numbers = iter(range(212, 200, -1))

    def change(ds: FileDataset) -> None:
        ds.InstanceNumber = next(numbers)
        ds.SliceLocation = str(ds.ImagePositionPatient[2] + 100)

    assessment, _ = judged(write(tmp_path, images, "MR", change))
    jump = assessment.measurement("slice_jump")
    assert jump is not None
    assert jump.place == "slice 7 of 12, Instance Number 206, Slice Location 118.0 mm"


@pytest.mark.more
def test_phase_images_beside_magnitude_are_left_out_and_counted(tmp_path: Path) -> None:
    plain = write(tmp_path / "a", heads(), "MR")
    rng = np.random.default_rng(0)
    phases = [rng.uniform(-4096.0, 4095.0, (160, 160)) for _ in range(12)]
    uid = read_slices([("a", plain[0])])[0].series_instance_uid  # type: ignore[list-item]
    change = given(ImageType=["ORIGINAL", "PRIMARY", "P"], SeriesInstanceUID=uid)
    assessment, disposition = judged([*plain, *write(tmp_path / "b", phases, "MR", change)])
    assert value(assessment, "slice_count") == 12.0
    assert "phase, real and imaginary images: 12" in issues(assessment)["slices_left_out"]
    assert not flags(disposition)


def places(*kinds: tuple[str, ...]) -> Policy:
    """One place for each, in which everything is flagged."""
    where = {str(one): {"modality": ["MR"], "kind": list(one)} for one in kinds}
    flagged = {"measurement": "slice_count", "above": 0, "then": "REVIEW", "reason": "111207"}
    return policy_of({"where": [*where], **flagged}, where=where)


@pytest.mark.more
def test_a_place_may_name_kinds_and_one_that_names_none_covers_all(tmp_path: Path) -> None:
    paths = write(tmp_path, heads(), "MR")
    assert judged(paths, places(("diffusion",), ("structural", "head")))[1].scope == "('structural', 'head')"
    assert judged(paths, places(("diffusion",)))[1].scope == ""
    assert judged(paths, places(("diffusion",), ()))[1].scope == "()"
    with pytest.raises(SettingsError, match=r"kind is 'structual'; it takes localizer, page, mosaic"):
        places(("structual",))
