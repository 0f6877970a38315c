"""De-identification after PS3.15 Annex E: the table, nested sequences, secrets, and what must not be found again."""

from __future__ import annotations

import copy
import json
import re
import resource
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian
from typer.testing import CliRunner

from miqa_node.interfaces.cli.app import app
from miqa_training.deidentify.dataset import DeidentificationMethod, deidentify
from miqa_training.deidentify.files import burned_in, deidentify_files, read_key
from miqa_training.deidentify.leaks import identifying_words, leaks
from miqa_training.deidentify.profile import ElementAction, ProfileOption, action_for, table
from miqa_training.deidentify.values import Secrets, cleaned, shifted
from tests.damage import replace_element

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
SECRETS = Secrets(b"a key of the test, 16 or more")
NAME, NUMBER, BORN, STUDY_UID = "Mustermann^Erika", "PID-4711-X", "19640812", "1.2.276.0.7230010.3.1.2.11.22"
COLOURS = "examples_rgb_color examples_overlay SC_rgb_rle eCT_Supplemental"


def person() -> FileDataset:
    """A radiograph with who she is in plain, nested, private and repeated places."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, UID("1.2.840.10008.5.1.4.1.1.1")
    meta.MediaStorageSOPInstanceUID = UID(STUDY_UID + ".5")
    meta.SourceApplicationEntityTitle = "ERIKAS_CR"
    ds = FileDataset("", {}, file_meta=meta, preamble=b"MUSTERMANN".ljust(128, b"\0"))
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY_UID, STUDY_UID + ".4"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientAge, ds.PatientSex = NAME, NUMBER, BORN, "061Y", "F"
    ds.StudyDate, ds.StudyTime, ds.AcquisitionDateTime = "20260103", "101112", "20260103101113.5+0100"
    ds.AccessionNumber, ds.InstitutionName, ds.Manufacturer = "ACC99887", "Klinikum Nirgendwo", "Maker"
    ds.DeviceSerialNumber, ds.StationName = "SN-5544332", "ROOM7XR"
    ds.StudyDescription = "Chest PA, Frau Mustermann"
    ds.ReferringPhysicianName, ds.Modality, ds.BodyPartExamined = "Doktor^Eisenbart", "CR", "CHEST"
    request = Dataset()
    request.AccessionNumber, request.StudyInstanceUID, request.RequestedProcedureDescription = (
        "ACC99887",
        STUDY_UID,
        "x",
    )
    inner = Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", STUDY_UID + ".9"
    inner.PatientName = NAME
    request.ReferencedStudySequence = [inner]
    ds.RequestAttributesSequence = [request]
    derived = Dataset()
    derived.ReferencedSOPClassUID, derived.ReferencedSOPInstanceUID = ds.SOPClassUID, STUDY_UID + ".8"
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = "121322", "DCM", "Source image"
    derived.PurposeOfReferenceCodeSequence = [purpose]
    derived.add_new((0x0029, 0x0010), "LO", "MAKER")
    derived.add_new((0x0029, 0x1001), "LO", NAME)
    ds.SourceImageSequence = [derived]
    ds.add_new((0x0019, 0x0010), "LO", "MAKER")
    ds.add_new((0x0019, 0x1001), "UN", NAME.encode())
    ds.add_new((0x6000, 0x0010), "US", 4)
    ds.add_new((0x6000, 0x3000), "OW", b"\xff\xff")
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelData = bytes(range(16))
    return ds


def result(*options: ProfileOption) -> FileDataset:
    return deidentify(person(), DeidentificationMethod(SECRETS, frozenset(options)))


def raw(ds: FileDataset, folder: Path) -> bytes:
    pydicom.dcmwrite(folder / "a.dcm", ds, enforce_file_format=True)
    return (folder / "a.dcm").read_bytes()


def test_nothing_of_her_is_in_the_bytes(tmp_path: Path) -> None:
    content = raw(result(), tmp_path).upper()
    for trace in (b"MUSTERMANN", b"ERIKA", b"4711", b"19640812", b"20260103", b"101112", b"ACC99887", b"NIRGENDWO",
                  b"SN-5544332", b"ROOM7XR", b"EISENBART", b"MAKER\0", b"1.2.276", b"061Y"):  # fmt: skip
        assert trace not in content, trace
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert ds.Modality == "CR"
    assert ds.BodyPartExamined == "CHEST"
    assert ds.pixel_array.tobytes() == bytes(range(16))
    assert not any(tag.is_private or tag.group == 0x6000 for tag in list(ds.keys()))
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.preamble == b"\0" * 128


def test_it_says_what_was_done() -> None:
    ds = result(ProfileOption.SHIFTED_DATES, ProfileOption.DEVICE)
    assert ds.PatientIdentityRemoved == "YES"
    codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in ds.DeidentificationMethodCodeSequence]
    assert codes == [("113100", "DCM"), ("113107", "DCM"), ("113109", "DCM")]
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert result().LongitudinalTemporalInformationModified == "REMOVED"
    assert result(ProfileOption.FULL_DATES).LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert all(
        len(method) <= 64
        for method in result(*[o for o in ProfileOption if o != ProfileOption.FULL_DATES]).DeidentificationMethod
    )


def test_what_an_earlier_deidentification_said_stays() -> None:
    """PS3.15 E.1.1: the codes are added to those that are there."""
    ds = person()
    clean = Dataset()
    clean.CodeValue, clean.CodingSchemeDesignator, clean.CodeMeaning = "113101", "DCM", "Clean Pixel Data Option"
    ds.DeidentificationMethod, ds.DeidentificationMethodCodeSequence = "Pixels cleaned", [clean]
    for _ in range(2):
        ds = deidentify(ds, DeidentificationMethod(SECRETS))
        assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == ["113101", "113100"]
        assert list(ds.DeidentificationMethod) == ["Pixels cleaned", "Basic Application Confidentiality Profile"]


def test_references_still_hold_and_only_the_key_connects() -> None:
    a, b = result(), result()
    assert a.StudyInstanceUID == b.StudyInstanceUID != STUDY_UID
    assert a.StudyInstanceUID.startswith("2.25.")
    assert a.StudyInstanceUID.is_valid
    [source] = a.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == SECRETS.uid(STUDY_UID + ".8")
    assert source.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.1"
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert a.PatientID == a.PatientName == b.PatientID
    other = deidentify(person(), DeidentificationMethod(Secrets(b"another key, also 16 or more")))
    assert other.StudyInstanceUID != a.StudyInstanceUID
    assert other.PatientID != a.PatientID


def test_options_keep_what_they_name_and_no_more() -> None:
    every = (
        ProfileOption.DEVICE,
        ProfileOption.INSTITUTION,
        ProfileOption.PATIENT_CHARACTERISTICS,
        ProfileOption.CLEAN_DESCRIPTORS,
    )
    plain, dataset = result(), result(*every)
    assert plain.InstitutionName == plain.DeviceSerialNumber == "REMOVED"
    assert "PatientAge" not in plain
    assert plain.PatientSex in {None, ""}
    assert dataset.InstitutionName == "Klinikum Nirgendwo"
    assert dataset.DeviceSerialNumber == "SN-5544332"
    assert (dataset.PatientAge, dataset.PatientSex) == ("061Y", "F")
    assert dataset.StudyDescription == "Chest PA"
    assert "StudyDescription" not in plain
    assert dataset.PatientName != NAME
    assert result(ProfileOption.UIDS).StudyInstanceUID == STUDY_UID


def test_dates_move_together_by_days() -> None:
    ds = result(ProfileOption.SHIFTED_DATES)
    by = SECRETS.shift(f"\0{NUMBER}")
    assert 30 <= by.days < 3650
    assert ds.StudyDate == shifted("DA", "20260103", by) != "20260103"
    assert ds.StudyTime == "101112"
    assert ds.AcquisitionDateTime == ds.StudyDate + "101113.5+0100"
    assert shifted("DA", "Erika", by) == ""
    assert shifted("TM", "Erika", by) == ""
    with pytest.raises(ValueError, match="not both"):
        DeidentificationMethod(SECRETS, frozenset({ProfileOption.FULL_DATES, ProfileOption.SHIFTED_DATES}))


def test_every_attribute_of_the_table_is_treated() -> None:
    """Each attribute that pydicom knows, one level down in a sequence, with a value that must not come out."""
    tags = [tag for tag in table() if dictionary_has_tag(tag) and Tag(tag).group not in {0x0000, 0x0002}]
    assert len(tags) > 600
    item, holder = Dataset(), person()
    for tag in tags:
        item.add_new(tag, _vr(tag), _secret(_vr(tag)))
    holder.SharedFunctionalGroupsSequence = [item]
    [done] = deidentify(holder, DeidentificationMethod(SECRETS)).SharedFunctionalGroupsSequence
    for tag in tags:
        action = action_for(Tag(tag), _vr(tag), frozenset())
        assert action is not ElementAction.KEEP
        if action is ElementAction.REMOVE:
            assert tag not in done, hex(tag)
        else:
            assert "SECRET" not in str(done[tag]), hex(tag)
            assert _vr(tag) == "SQ" or done[tag].value != _secret(_vr(tag)), hex(tag)


def _vr(tag: int) -> str:
    return dictionary_VR(tag).split(" or ")[0]


def _secret(vr: str) -> object:
    if vr == "SQ":
        inside = Dataset()
        inside.PatientName = "SECRET4567"
        return [inside]
    if vr in {"US", "SS", "UL", "SL", "FD", "FL", "UV"}:
        return 4567
    if vr.startswith("O") or vr == "UN":
        return b"SECRETSE"
    texts: dict[str, object] = {
        "UI": "1.2.3.4567",
        "DA": "20200202",
        "DT": "20200202020202",
        "TM": "020202",
        "AS": "099Y",
        "AT": 0x00104567,
    }
    texts |= {"DS": "45", "IS": "45"}
    return texts.get(vr, "SECRET4567")


def test_a_name_in_a_place_that_the_table_forgot_is_found() -> None:
    original = person()
    words = identifying_words(original, frozenset())
    ds = deidentify(person(), DeidentificationMethod(SECRETS))
    assert leaks(ds, words, original) == []
    ds.FilterMaterial = "CR"
    ds.ConvolutionKernel = "for Mustermann"
    assert leaks(ds, words, original) == ["ConvolutionKernel repeats PatientName"]


def test_words_of_the_method_are_no_leak_if_a_private_element_has_them_too() -> None:
    original = person()
    original.add_new((0x0019, 0x1002), "LT", "Device Option of the Application")
    options = frozenset({ProfileOption.DEVICE})
    treated = deidentify(copy.deepcopy(original), DeidentificationMethod(SECRETS, options))
    assert leaks(treated, identifying_words(original, options), original) == []


def test_files_are_renamed_and_what_is_unsafe_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    good, burned, forgotten, report = person(), person(), person(), person()
    burned.BurnedInAnnotation = "YES"
    forgotten.ConvolutionKernel = NAME.replace("^", " ")
    del report.PixelData
    for name, ds in (("mustermann", good), ("burned", burned), ("forgotten", forgotten), ("report", report)):
        pydicom.dcmwrite(inside / f"{name}.dcm", ds, enforce_file_format=True)
    (inside / "text.dcm").write_text("Mustermann")
    done = deidentify_files(
        ((p, Path()) for p in sorted(inside.iterdir())), tmp_path / "out", DeidentificationMethod(SECRETS)
    )
    refused = {o.source.stem: o.reason for o in done if o.written is None}
    assert set(refused) == {"burned", "forgotten", "report", "text"}
    assert "ConvolutionKernel repeats" in refused["forgotten"]
    assert "Mustermann" not in " ".join(refused.values())
    [written] = (tmp_path / "out").iterdir()
    assert written.name == f"{SECRETS.uid(good.SOPInstanceUID)}.dcm"


def test_a_kind_that_often_names_people_is_pointed_out() -> None:
    ds = person()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    assert burned_in(ds) == ("", ("An ultrasound image that does not say whether text is burned in: look at it.",))


def test_a_folder_that_cannot_be_written_is_not_a_fault_of_the_image(tmp_path: Path) -> None:
    person().save_as(source := tmp_path / "1.dcm", enforce_file_format=True)
    (tmp_path / "file").touch()
    [outcome] = deidentify_files([(source, Path())], tmp_path / "file" / "out", DeidentificationMethod(SECRETS))
    assert outcome.reason == "The file system refuses it: Not a directory."


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [(0x00080005, "AT", b"\x10\x00\x10\x00"), (0x00100030, "UL", b"196408"), (0x00101010, "SQ", b"061Y")],
    ids=["a character set that is a tag", "a date in six bytes of four", "an age as a sequence"],
)
def test_a_damaged_file_is_refused_and_the_others_are_written(
    tmp_path: Path, tag: int, vr: str, value: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("1", "2", "3"):
        ds = person()
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
    second = tmp_path / "2.dcm"
    second.write_bytes(replace_element(second.read_bytes(), tag, vr, value))
    sources = [(tmp_path / f"{number}.dcm", Path()) for number in (1, 2, 3)]
    outcomes = deidentify_files(sources, tmp_path / "out", DeidentificationMethod(SECRETS))
    assert [one.written is not None for one in outcomes] == [True, False, True]
    assert outcomes[1].reason.startswith("It cannot be read as a whole")
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".dcm", ".dcm"]
    assert "1964" not in "".join(capsys.readouterr())


def test_words_of_a_description() -> None:
    assert cleaned("Thorax p.a. Herr Schmidt, Chest AP 12.3.2020") == "Thorax Chest AP"


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    ran = CliRunner().invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", "k"])
    assert ran.exit_code == 2
    assert "no DICOM files" in ran.output
    assert not (tmp_path / "out").exists()


def test_a_key_that_does_not_fit_on_the_disk_leaves_no_file(tmp_path: Path) -> None:
    """An empty one was left, and refused from then on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # what a full disk does, without filling one
    try:
        with pytest.raises(OSError, match="too large"):
            read_key(tmp_path / "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    assert read_key(tmp_path / "key") == read_key(tmp_path / "key")


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    ran = CliRunner().invoke(app, ["deidentify", str(PYDICOM_FILES / "CT_small.dcm"), str(tmp_path / "o"), "--key",
                                   str(tmp_path / "key")])  # fmt: skip
    assert ran.exit_code == 2
    assert not (tmp_path / "o").exists()


def test_two_hospitals_with_one_id_are_two_patients() -> None:
    """The universal ID of an issuer was ignored, and so was whose IDs those without issuer are."""

    def pseudonym(authority: str = "", **elements: str) -> str:
        ds = person()
        item = Dataset()
        for keyword, value in elements.items():
            setattr(item if keyword.startswith("Universal") else ds, keyword, value)
        if len(item):
            ds.IssuerOfPatientIDQualifiersSequence = [item]
        return str(deidentify(ds, DeidentificationMethod(SECRETS, authority=authority)).PatientID)

    assert pseudonym() != pseudonym(IssuerOfPatientID="NORTH") != pseudonym(IssuerOfPatientID="SOUTH")
    assert pseudonym("NORTH") == pseudonym(IssuerOfPatientID="NORTH")
    assert pseudonym(UniversalEntityID="1.2.3") != pseudonym(UniversalEntityID="1.2.4")
    assert pseudonym(UniversalEntityID="1.2.3") == pseudonym(UniversalEntityID="1.2.3", IssuerOfPatientID="N")
    assert pseudonym() == "P12814929461584181740"  # as before, for exports that go on with their key


@pytest.mark.more
def test_the_command_on_real_files(tmp_path: Path) -> None:
    names = f"CT_small MR_small JPEG2000 {COLOURS} rtstruct MR_small_RLE 693_UNCR".split()
    folder = tmp_path / "in" / "label"
    folder.mkdir(parents=True)
    originals = {}
    for name in (f"{name}.dcm" for name in names):
        if (PYDICOM_FILES / name).exists():
            (folder / name).write_bytes((PYDICOM_FILES / name).read_bytes())
            originals[name] = pydicom.dcmread(PYDICOM_FILES / name, force=True)
    key = tmp_path / "key"
    arguments = [
        "deidentify",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        "--key",
        str(key),
        "--keep-folders",
        "--no-text",
        "--json",
    ]
    ran = CliRunner().invoke(app, arguments)
    answer = json.loads(ran.stdout)
    assert key.stat().st_mode & 0o077 == 0
    assert answer["written"] >= 6, answer["refused"]
    assert "rtstruct.dcm" in json.dumps(answer["refused"])
    made = list((tmp_path / "out" / "label").glob("*.dcm"))
    assert len(made) == answer["written"]
    everything = b"".join(path.read_bytes() for path in made)
    for original in originals.values():
        for value in (original.PatientName, original.PatientID, original.StudyInstanceUID, original.SOPInstanceUID,
                      original.get("AccessionNumber"), original.get("InstitutionName")):  # fmt: skip
            for part in re.split(r"[\^ ]", str(value or "")):
                makers = str(original.get("Manufacturer", ""))  # may stay, whoever else has that name
                # Digits may stand inside a new UID by chance.
                stays = re.search(rb"(?<![\d.])" + re.escape(part.encode()) + rb"(?![\d.])", everything)
                assert len(part) < 5 or part in makers or not stays, part
    secrets = Secrets(read_key(key))
    first = {original.SOPInstanceUID: original for original in reversed(originals.values())}
    assert len(first) < len(originals)  # MR_small and its RLE twin have the same UID, and both are there
    for original in first.values():
        twin = tmp_path / "out" / "label" / f"{secrets.uid(original.SOPInstanceUID)}.dcm"
        if twin.exists():
            ds = pydicom.dcmread(twin)
            assert original.file_meta.TransferSyntaxUID.is_compressed or ds.PixelData == original.PixelData
            assert np.array_equal(ds.pixel_array, original.pixel_array)
            assert ds.PatientIdentityRemoved == "YES"
