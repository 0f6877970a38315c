"""The objects that a destination must ask for: presentation state, pictures, fractional segmentation."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.words.narrative import narrative
from miqa_node.stages.report.gsps_shutter import exposed_field
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.picture import MIN_SIDE
from tests.peers.validators import open_segmentation
from tests.stages.report import making
from tests.stages.report.flagged import flagged_series
from tests.stages.report.test_text import COMMENTS

SHAPE = (200, 160)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.write(making.small(*SHAPE), tmp_path_factory.mktemp("source") / "source.dcm")


@pytest.fixture(scope="module")
def made(source: Path) -> dict[ResultKind, MadeObject]:
    return {item.kind: item for item in making.everything(source)}


def dataset(made: dict[ResultKind, MadeObject], kind: ResultKind) -> pydicom.FileDataset:
    return making.read(made[kind])


def test_an_accepted_image_has_none_of_them(source: Path) -> None:
    accepted = making.disposition(Verdict.ACCEPT)
    objects = make_objects(
        ReportedImage(source, SaliencyMaps(), decode=lambda: making.radiograph(source)),
        making.assessment(),
        accepted,
        None,
        output_kinds(),
    )
    assert [item.kind for item in objects] == [ResultKind("SR"), ResultKind("SR_FULL")]


def test_a_report_does_not_refer_to_a_segmentation_that_nobody_asked_for(source: Path) -> None:
    (report,) = making.flagged(source, [ResultKind("SR")])
    study = making.read(report).CurrentRequestedProcedureEvidenceSequence[0]
    assert len(study.ReferencedSeriesSequence) == 1


def test_the_presentation_state_draws_the_edge_of_each_segment(made: dict[ResultKind, MadeObject]) -> None:
    state, seg = dataset(made, ResultKind("GSPS")), dataset(made, ResultKind("SEG"))
    drawn = [item for item in state.GraphicAnnotationSequence if "GraphicObjectSequence" in item]
    assert len(drawn) == seg.NumberOfFrames
    for annotation, mask in zip(drawn, seg.pixel_array, strict=True):
        points = np.array(annotation.GraphicObjectSequence[0].GraphicData).reshape(-1, 2)
        rows, columns = np.nonzero(mask)
        assert points.min(axis=0) == pytest.approx([columns.min() + 0.5, rows.min() + 0.5], abs=1.0)
        assert points.max(axis=0) == pytest.approx([columns.max() + 0.5, rows.max() + 0.5], abs=1.0)
        assert (points[0] == points[-1]).all()
    texts = [item.TextObjectSequence[0].UnformattedTextValue for item in state.GraphicAnnotationSequence]
    assert texts[0].startswith("REJECT")
    assert texts[0].endswith("Decision support only")
    assert texts[1:] == ["Motion blur 93%", "Foreign object 93%"]
    layers = [layer.GraphicLayer for layer in state.GraphicLayerSequence]
    assert [item.GraphicLayer for item in state.GraphicAnnotationSequence] == layers


def test_the_presentation_state_shows_the_image_as_its_own_header_does(tmp_path: Path) -> None:
    def change(ds: pydicom.Dataset) -> None:
        ds.PhotometricInterpretation = "MONOCHROME1"
        ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = [900, 100], [600, 50], "SIGMOID"
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "2", "-7.5", "OD"

    source = making.write(making.small(), tmp_path / "source.dcm", change)
    (state,) = map(making.read, making.flagged(source, [ResultKind("GSPS")]))
    voi = state.SoftcopyVOILUTSequence[0]
    assert (voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction) == (900, 600, "SIGMOID")
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (2, -7.5, "OD")
    assert state.PresentationLUTShape == "INVERSE"
    area = state.DisplayedAreaSelectionSequence[0]
    assert area.DisplayedAreaBottomRightHandCorner == [160, 200]


def test_colour_has_no_grayscale_presentation_state(tmp_path: Path) -> None:
    def change(ds: pydicom.Dataset) -> None:
        ds.PhotometricInterpretation = "RGB"

    source = making.write(making.small(), tmp_path / "source.dcm", change)
    assert making.flagged(source, [ResultKind("GSPS")]) == ()


def test_a_black_border_around_clipped_anatomy_is_shuttered(source: Path) -> None:
    whole = making.radiograph(source)
    stored = whole.stored.copy()
    stored[:, :20] = 0
    stored[180:] = 0
    (state,) = map(making.read, making.flagged(source, [ResultKind("GSPS")], replace(whole, stored=stored)))
    assert state.ShutterShape == "RECTANGULAR"
    edges = (state.ShutterLeftVerticalEdge, state.ShutterRightVerticalEdge)
    assert edges == (21, 160)
    assert (state.ShutterUpperHorizontalEdge, state.ShutterLowerHorizontalEdge) == (1, 180)
    (without,) = map(making.read, making.flagged(source, [ResultKind("GSPS")], whole))
    assert "ShutterShape" not in without


def test_a_border_that_is_all_there_is_or_nothing_is_no_shutter() -> None:
    assert exposed_field(np.zeros((50, 50), np.uint16)) is None
    assert exposed_field(np.arange(2500, dtype=np.uint16).reshape(50, 50)) is None


def test_the_shutter_of_the_image_is_repeated(tmp_path: Path) -> None:
    def change(ds: pydicom.Dataset) -> None:
        ds.ShutterShape, ds.CenterOfCircularShutter, ds.RadiusOfCircularShutter = "CIRCULAR", [100, 80], 70

    source = making.write(making.small(), tmp_path / "source.dcm", change)
    (state,) = map(making.read, making.flagged(source, [ResultKind("GSPS")]))
    assert (state.ShutterShape, state.CenterOfCircularShutter, state.RadiusOfCircularShutter) == (
        "CIRCULAR",
        [100, 80],
        70,
    )


def test_the_fractional_segmentation_peaks_where_the_map_does(made: dict[ResultKind, MadeObject]) -> None:
    fractional, binary = dataset(made, ResultKind("SEG_FRACTIONAL")), dataset(made, ResultKind("SEG"))
    shares, masks = fractional.pixel_array, binary.pixel_array
    assert fractional.file_meta.TransferSyntaxUID == pydicom.uid.JPEG2000Lossless
    assert fractional.MaximumFractionalValue == 255
    assert shares.max(axis=(1, 2)).min() >= 250
    assert ((shares >= 128) == (masks == 1)).mean() > 0.995
    assert [s.SegmentLabel for s in fractional.SegmentSequence] == [s.SegmentLabel for s in binary.SegmentSequence]


def test_the_pictures_are_one_picture_in_three_syntaxes(made: dict[ResultKind, MadeObject]) -> None:
    jpeg, rle, j2k = (dataset(made, kind) for kind in (ResultKind("SC"), ResultKind("SC_RLE"), ResultKind("SC_J2K")))
    assert (pixel_array(rle) == pixel_array(j2k)).all()
    difference = np.abs(pixel_array(jpeg).astype(int) - pixel_array(rle))
    assert difference.mean() < 4
    assert [ds.LossyImageCompression for ds in (jpeg, rle, j2k)] == ["01", "00", "00"]
    assert jpeg.LossyImageCompressionMethod == "ISO_10918_1"
    assert jpeg.LossyImageCompressionRatio > 1
    assert len(made[ResultKind("SC")].data) < len(made[ResultKind("SC_J2K")].data)


def test_the_picture_shows_heat_where_the_finding_is_and_words_below_the_image(
    source: Path, made: dict[ResultKind, MadeObject]
) -> None:
    picture = pixel_array(dataset(made, ResultKind("SC_J2K"))).astype(int)
    rows, columns = MIN_SIDE, round(MIN_SIDE * SHAPE[1] / SHAPE[0])
    assert picture.shape[1] == columns
    assert picture.shape[0] > rows  # the strip of words
    coloured = np.ptp(picture, axis=2)
    at = (round(0.3 * rows), round(0.7 * columns))  # the foreign object of making.flagged
    assert coloured[at] > 40
    assert coloured[5, 5] == 0
    words = picture[rows:]
    assert (words.max(axis=2) > 150).mean() > 0.01
    assert (making.radiograph(source).display[10, 10] >> 8) == pytest.approx(
        picture[round(10.5 / 200 * rows), round(10.5 / 160 * columns), 0], abs=6
    )


@pytest.mark.parametrize(("text", "expected"), [("YES", "YES"), ("NO", "NO"), (None, None)])
def test_burned_in_annotation_is_what_the_source_says(tmp_path: Path, text: str | None, expected: str | None) -> None:
    def change(ds: pydicom.Dataset) -> None:
        making.without("BurnedInAnnotation")(ds)
        if text:
            ds.BurnedInAnnotation = text

    source = making.write(making.small(), tmp_path / "source.dcm", change)
    objects = making.flagged(source, [ResultKind("SC"), ResultKind("PDF")], making.radiograph(source))
    capture, page = map(making.read, objects)
    assert capture.get("BurnedInAnnotation") == expected
    assert page.BurnedInAnnotation == (expected or "NO")  # type 1 there; the page shows the image


def test_a_large_image_makes_a_picture_of_bounded_size(source: Path) -> None:
    wide = np.zeros((600, 5000), np.uint16)
    pixels = Radiograph(wide, wide, (0, 4095), None)
    (capture,) = map(making.read, making.flagged(source, [ResultKind("SC")], pixels))
    assert capture.Columns == 2048


def test_a_finding_without_a_place_is_in_the_words_only(source: Path) -> None:
    verdict = making.disposition(Verdict.REVIEW, FindingName.UNSHARP)
    objects = make_objects(
        ReportedImage(source, SaliencyMaps(), decode=lambda: making.radiograph(source)),
        making.assessment(FindingName.UNSHARP),
        verdict,
        None,
        output_kinds(),
    )
    state = next(making.read(item) for item in objects if item.kind == ResultKind("GSPS"))
    assert [layer.GraphicLayer for layer in state.GraphicLayerSequence] == ["VERDICT"]
    assert ResultKind("SEG_FRACTIONAL") not in {item.kind for item in objects}


def test_the_page_says_the_narrative_in_embedded_fonts(made: dict[ResultKind, MadeObject], tmp_path: Path) -> None:
    document = dataset(made, ResultKind("PDF"))
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert document.BurnedInAnnotation == "NO"
    page = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert page.startswith(b"%PDF-")
    assert page.rstrip().endswith(b"%%EOF")
    assert page.count(b"/FontFile2") == 2
    assert b"/Helvetica" not in page
    assert b"/Count 1 " in page.replace(b"\n", b" ")  # one page


def test_the_label_map_has_the_segments_of_the_binary_segmentation(made: dict[ResultKind, MadeObject]) -> None:
    """Each pixel has one number; where masks overlap, that of the map that is nearest to its own peak."""
    labels, binary = dataset(made, ResultKind("SEG_LABELMAP")), dataset(made, ResultKind("SEG"))
    assert labels.SOPClassUID == pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.66.7")
    numbers, masks = labels.pixel_array, binary.pixel_array.reshape(-1, *labels.pixel_array.shape)
    assert ((numbers > 0) == masks.any(axis=0)).all()
    for segment, mask in zip(binary.SegmentSequence, masks, strict=True):
        assert (mask[numbers == segment.SegmentNumber] == 1).all()
        alone = mask.astype(bool) & (masks.sum(axis=0) == 1)
        assert (numbers[alone] == segment.SegmentNumber).all()
    background, *segments = labels.SegmentSequence
    assert (background.SegmentNumber, labels.PixelPaddingValue, labels.SegmentsOverlap) == (0, 0, "NO")
    assert [one.TrackingUID for one in segments] == [one.TrackingUID for one in binary.SegmentSequence]
    assert "SegmentIdentificationSequence" not in labels.PerFrameFunctionalGroupsSequence[0]
    pytest.importorskip("highdicom")
    (image,) = labels.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    with open_segmentation(labels) as reader:
        [again] = reader.get_pixels_by_source_instance([image.ReferencedSOPInstanceUID], combine_segments=True)
    assert (again == numbers).all()


@pytest.mark.more
@pytest.mark.peers
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_can_be_read(source: Path, tmp_path: Path, language: str) -> None:
    assessment = making.assessment(FindingName.FOREIGN_OBJECT)
    verdict = making.disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT)
    maps = SaliencyMaps({FindingName.FOREIGN_OBJECT: making.bump(0.3, 0.7)})
    settings = ReportSettings(language=language)
    (made,) = make_objects(
        ReportedImage(source, maps, decode=lambda: making.radiograph(source)),
        assessment,
        verdict,
        settings,
        [ResultKind("PDF")],
    )
    document = making.read(made)
    file = tmp_path / "page.pdf"
    file.write_bytes(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])
    text = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    joined = " ".join(text.split())
    english = ("Image quality: REJECT", "of 100", "Measurements", "Decision support only", "where the model looked")
    assert all((words in joined) == (language == "en") for words in english)
    assert ("Bildqualität: REJECT" in joined) == (language == "de")
    for sentence in narrative(assessment, verdict, language):
        assert sentence in joined
    assert {"en": "Exposure Index", "de": "Exposure Index"}[language] in joined
    assert str(document.PatientName) not in joined
    drawn = subprocess.run(["pdftoppm", "-r", "40", "-png", file, tmp_path / "page"], check=False, timeout=60)
    assert drawn.returncode == 0
    assert [path.name for path in tmp_path.glob("*.png")] == ["page-1.png"]


@pytest.mark.more
@pytest.mark.peers
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("language", ["ja", "ko", "zh", "ar", "ru", "el"])
def test_the_page_holds_a_site_s_words_in_their_script(source: Path, tmp_path: Path, language: str) -> None:
    """Arabic is drawn in joined forms (NFKC undoes them), which a reader turns round again."""
    words = COMMENTS[language]
    (made,) = make_objects(
        ReportedImage(source, SaliencyMaps(), decode=lambda: making.radiograph(source)),
        making.not_assessed(words),
        making.disposition(Verdict.REVIEW),
        kinds=[ResultKind("PDF")],
    )
    file = tmp_path / "page.pdf"
    file.write_bytes(making.read(made).EncapsulatedDocument)
    text = subprocess.run(["pdftotext", file, "-"], capture_output=True, text=True, check=True).stdout
    printed, typed = ("".join(unicodedata.normalize("NFKC", one).split()) for one in (text, words))
    assert typed in printed


@pytest.mark.more
def test_the_label_map_of_a_series_has_one_frame_for_each_marked_slice(tmp_path: Path) -> None:
    by_kind = {one.kind: making.read(one) for one in flagged_series(tmp_path, "CT")}
    labels, binary = by_kind[ResultKind("SEG_LABELMAP")], by_kind[ResultKind("SEG")]
    numbers = labels.pixel_array.reshape(-1, labels.Rows, labels.Columns)

    def source_of(frame: pydicom.Dataset) -> str:
        return str(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)

    marked: dict[str, np.ndarray] = {}
    for frame, mask in zip(binary.PerFrameFunctionalGroupsSequence, binary.pixel_array, strict=True):
        uid = source_of(frame)
        marked[uid] = marked.get(uid, False) | (mask > 0)
    frames = labels.PerFrameFunctionalGroupsSequence
    assert len(frames) == len(marked)
    for frame, labelled in zip(frames, numbers, strict=True):
        assert ((labelled > 0) == marked[source_of(frame)]).all()
    places = [float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in frames]
    assert places in (sorted(places), sorted(places, reverse=True))


@pytest.mark.more
def test_all_of_them_are_made_once_asked_for_and_none_without(source: Path, made: dict[ResultKind, MadeObject]) -> None:
    assert set(made) == set(output_kinds()) - {ResultKind("REJECTION"), ResultKind("AIRAI"), ResultKind("NOISE_MAP")}
    assert len({item.sop_instance_uid for item in made.values()}) == len(made)
    assert [item.data for item in making.everything(source)] == [item.data for item in made.values()]
