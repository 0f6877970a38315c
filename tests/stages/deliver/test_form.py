"""A destination's profile: transfer syntaxes, character set, rate."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import SEG, DeliveryState
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryRefusedError, SettingsError
from miqa_node.stages.deliver.destinations import parse_destinations
from miqa_node.stages.deliver.form import in_form
from miqa_node.stages.deliver.kinds.base import DeliveryContext, split_file
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.pace import Pace
from miqa_node.stages.report.outputs.rejection import rejection_note
from tests.stages.deliver.making import MemoryOutbox, as_file, pacs, report
from tests.stages.deliver.test_cstore import picture
from tests.stages.deliver.test_kinds_of_destination import PACS, write
from tests.stages.deliver.test_lanes import running, to
from tests.stages.report import making
from tests.stages.report.test_text import CONFIRMED, in_set
from tests.waiting import wait_until

Make = Callable[..., DeliverSettings]
FOLDER = '[[destination]]\nname = "share"\nkind = "folder"\nfolder = "/srv"\n'


def profile(**keys: object) -> CStoreConfig:
    return CStoreConfig.model_validate({"name": "p", "ae_title": "P", "host": "h", "port": 104, **keys})


def read(file: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(BytesIO(file))


def test_the_keys_are_read_for_every_kind_of_destination_of_objects(tmp_path: Path) -> None:
    keys = 'transfer_syntaxes = ["1.2.840.10008.1.2.1"]\ncharacter_set = "\\\\ISO 2022 IR 87"\nobjects_per_s = 2\n'
    write(tmp_path / "d.toml", PACS + keys + FOLDER + keys)
    for config in parse_destinations(tmp_path / "d.toml"):
        assert config.objects_per_s == 2
        assert config.model_dump()["character_set"] == "\\ISO 2022 IR 87"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("transfer_syntaxes = []", "transfer_syntaxes must be a list of UIDs"),
        ('transfer_syntaxes = ["JPEG"]', "transfer_syntaxes must be a list of UIDs"),
        ('character_set = "LATIN-1"', "character_set must be a value of Specific Character Set"),
        ('character_set = "ISO_IR 13"', "character_set must be a value of Specific Character Set"),
        ("objects_per_s = 0", "objects_per_s must be a number above 0"),
    ],
)
def test_mistakes_in_a_profile_are_named(tmp_path: Path, key: str, says: str) -> None:
    write(tmp_path / "d.toml", PACS + key)
    with pytest.raises(SettingsError, match=says):
        parse_destinations(tmp_path / "d.toml")


@pytest.mark.parametrize("made", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("vr", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_compressed_object_is_converted_where_the_profile_leaves_its_syntax_out(
    deliver_settings: Make, made: str, vr: str
) -> None:
    ds = picture(pydicom.uid.UID(made))
    _, uid, file = as_file(ds)
    context = DeliveryContext(deliver_settings())
    got = read(in_form(profile(transfer_syntaxes=[str(vr)]), file, context))
    assert got.file_meta.TransferSyntaxUID == vr
    assert got.SOPInstanceUID == got.file_meta.MediaStorageSOPInstanceUID == uid
    assert (got.pixel_array == ds.pixel_array).all()
    assert in_form(profile(transfer_syntaxes=[str(made)]), file, context) == file
    assert in_form(profile(), file, context) == file


def test_a_destination_that_names_it_first_gets_everything_deflated(
    deliver_settings: Make, tmp_path: Path, samples: Path
) -> None:
    """The segmentation of a radiograph of 1955 × 1841 pixels takes less than 60 KB on its way, instead of 900."""
    context = DeliveryContext(deliver_settings())
    config = profile(transfer_syntaxes=[str(DeflatedExplicitVRLittleEndian), str(ExplicitVRLittleEndian)])
    second = profile(transfer_syntaxes=[str(ExplicitVRLittleEndian), str(DeflatedExplicitVRLittleEndian)])
    for one in making.flagged(samples / "RG1_UNCR.dcm"):
        deflated = in_form(config, one.data, context)
        syntax, data_set = split_file(deflated)
        assert syntax == DeflatedExplicitVRLittleEndian
        assert len(data_set) % 2 == 0
        assert zlib.decompressobj(-zlib.MAX_WBITS).decompress(data_set) == split_file(one.data)[1]
        assert read(deflated).SOPInstanceUID == one.sop_instance_uid
        assert len(deflated) < (60_000 if one.kind == SEG else len(one.data))
        assert in_form(second, one.data, context) == one.data, "plain is what it names first"
        assert in_form(config, deflated, context) == deflated


@pytest.mark.parametrize("accepted", [DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_who_does_not_take_deflated_objects_after_all_gets_them_plain(
    deliver_settings: Make, tmp_path: Path, accepted: str
) -> None:
    outbox, ds = MemoryOutbox(), report(SecondaryCaptureImageStorage)
    with pacs(classes=[SecondaryCaptureImageStorage], syntaxes=[accepted]) as peer:
        outbox.put("p", ds)
        config = to("p", peer.port, transfer_syntaxes=(str(DeflatedExplicitVRLittleEndian),))
        with running(tmp_path, outbox, deliver_settings(), config):
            assert wait_until(lambda: outbox.states() == [DeliveryState.SENT])
            (association,) = peer.ae.active_associations
            (context,) = association.accepted_contexts
            assert context.transfer_syntax == [accepted]


def test_what_cannot_be_converted_is_refused_by_name(deliver_settings: Make) -> None:
    ds = report(SecondaryCaptureImageStorage)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    config = profile(transfer_syntaxes=[str(ExplicitVRLittleEndian)])
    with pytest.raises(DeliveryRefusedError, match="transfer_syntaxes leave out MPEG2 Main Profile"):
        in_form(config, as_file(ds)[2], DeliveryContext(deliver_settings()))


def test_only_the_syntaxes_of_the_profile_are_proposed(deliver_settings: Make, tmp_path: Path) -> None:
    outbox, ds = MemoryOutbox(), picture(RLELossless)
    syntaxes = [RLELossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    with pacs(classes=[SecondaryCaptureImageStorage], syntaxes=syntaxes) as peer:
        outbox.put("p", ds)
        config = to("p", peer.port, transfer_syntaxes=(str(ImplicitVRLittleEndian),))
        with running(tmp_path, outbox, deliver_settings(), config):
            assert wait_until(lambda: outbox.states() == [DeliveryState.SENT])
            (association,) = peer.ae.active_associations
            (accepted,) = association.accepted_contexts
            assert accepted.transfer_syntax == [ImplicitVRLittleEndian]


@pytest.mark.parametrize("text", ["ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "ISO_IR 100", "ISO_IR 144"])
def test_text_is_recoded_or_left_as_it_was(deliver_settings: Make, tmp_path: Path, text: str) -> None:
    context, config = DeliveryContext(deliver_settings()), profile(character_set=text)
    small, recoded = making.small(64, 64), 0
    for number, name in enumerate(("", "ISO_IR 100", "\\ISO 2022 IR 149", "ISO_IR 192")):
        source = making.write(small, tmp_path / f"{number}.dcm", in_set(name))
        for comment in ("Größe", "患者が動いた", "Пациент"):
            made = rejection_note([source], making.assessment(), replace(CONFIRMED, comment=comment))
            before = making.read(made)
            with capture_logs() as logged:
                after = read(in_form(config, made.data, context))
            sets = after.get("SpecificCharacterSet", "")
            if any(entry["event"] == "sent in its own character set" for entry in logged):
                assert sets == before.get("SpecificCharacterSet", "")
            else:
                recoded += 1
                assert "\\".join([sets] if isinstance(sets, str) else sets) == text
            assert (after.PatientName, after.StudyDescription) == (before.PatientName, before.StudyDescription)
            before.SpecificCharacterSet = after.SpecificCharacterSet = None
            assert after.to_json_dict() == before.to_json_dict(), (name, comment)
    assert bool(recoded) == (text in ("ISO_IR 192", "GB18030", "ISO_IR 100"))  # the observer's name is Größe


def test_text_is_recoded_with_escape_sequences(deliver_settings: Make) -> None:
    ds = report()
    ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"
    config = profile(character_set="\\ISO 2022 IR 87")
    file = in_form(config, as_file(ds)[2], DeliveryContext(deliver_settings()))
    got = read(file)
    assert got.SpecificCharacterSet == ["", "ISO 2022 IR 87"]
    assert got.PatientName == ds.PatientName
    assert b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=" in file  # PS3.5 H.3.1


def test_text_within_items_is_recoded_and_their_own_declaration_goes(deliver_settings: Make) -> None:
    ds, item, own = report(), pydicom.Dataset(), pydicom.Dataset()
    ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 100", "Größe^Jörg"
    own.SpecificCharacterSet, own.CodeMeaning = "ISO_IR 144", "Пациент"
    item.TextValue = "Müller"
    ds.ContentSequence, ds.ConceptNameCodeSequence = [item], [own]
    got = read(in_form(profile(character_set="ISO_IR 192"), as_file(ds)[2], DeliveryContext(deliver_settings())))
    assert got.SpecificCharacterSet == "ISO_IR 192"
    assert got.PatientName == "Größe^Jörg"
    assert got.ContentSequence[0].TextValue == "Müller"
    assert got.ConceptNameCodeSequence[0].CodeMeaning == "Пациент"
    assert "SpecificCharacterSet" not in got.ConceptNameCodeSequence[0]


def test_lanes_keep_to_the_rate_together(deliver_settings: Make, tmp_path: Path) -> None:
    outbox, at = MemoryOutbox(), []
    with pacs() as peer:
        peer.answer = lambda event: at.append(time.monotonic()) or 0x0000
        for _ in range(6):
            outbox.put("p")
        with running(tmp_path, outbox, deliver_settings(), to("p", peer.port, objects_per_s=10.0, concurrency=3)):
            assert wait_until(lambda: outbox.states() == [DeliveryState.SENT] * 6)
    assert at[-1] - at[0] >= 0.4  # five pauses of a tenth, less what the first associations took


def test_a_pace_gives_back_what_comes_too_late() -> None:
    pace, stopping = Pace(0.1), threading.Event()
    assert pace.allows(time.monotonic() + 5, stopping)
    assert not pace.allows(time.monotonic() + 5, stopping)
    assert pace.wait_s() > 5
    assert pace.most_in(5.0) == 1
    assert Pace(None).most_in(5.0) > 1000
    assert Pace(None).wait_s() == 0
