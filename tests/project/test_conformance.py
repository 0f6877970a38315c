"""The conformance statement is what the code does: negotiated with a running node, compared with what it makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import UID, AllTransferSyntaxes, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from miqa_node.core.settings import load_settings, share_dir
from miqa_node.stages.deliver.commitment import PUSH_MODEL, VERIFICATION
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.contexts import PLAIN_SYNTAXES
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.report.made import MadeObject
from tests.stages.report.flagged import flagged_series
from tests.stages.report.making import everything
from tools.attribute_tables import INHERITED, attribute_table
from tools.conformance import conformance_page, sent_objects, storage_classes
from tools.example_objects import example_objects

PAGE = share_dir("config").parent / "docs" / "reference" / "conformance.md"
ANNEX_N = """\
1 Overview
1.1 Content and Transfer
1.1.1 Structured Reporting Root Template IDs
1.2 DIMSE Services
1.3 DICOM Web Services
1.4 Media Services
1.5 Real-Time Video Service
1.6 De-identification Profiles
1.7 Specific Character Sets
2 Table of Contents
3 Introduction
3.1 Revision History
3.2 Audience
3.3 Remarks
3.4 Terms and Definitions
3.5 Abbreviations
3.6 References
4 Implementation Model
4.1 Application Entities and Data Flow
4.1.1 Functional Definition of miqa-node
5 Service and Interoperability Description
5.1 Mapping of Services to Application Entities
5.2 DIMSE Services
5.2.5 Storage Service
5.2.5.1 SCU of the Storage SOP Classes
5.2.5.1.1 Transcoding of Transfer Syntaxes
5.2.5.2 SCP of the Storage SOP Classes
5.2.6 Storage Commitment Service
5.2.7 Query/Retrieve Service Class
5.3 DICOM Web Services
5.3.2 Studies Web Service
5.3.2.1 Media Types
5.3.2.2 Retrieve Transaction
5.3.2.3 Store Transaction
5.3.2.4 Search Transaction
5.4 Media Services
5.5 Real-Time Video Services
5.6 Cross-Service Considerations
5.7 Specific Character Sets
6 Configuration
6.1 General Configuration Parameters
6.2 Configuration of DIMSE Services
6.3 Configuration of DICOM Web Services
6.4 Configuration of Media Storage Service
6.5 Configuration of Real-Time Video Service
6.6 Configuration of Audit Trail - Syslog
7 Network and Media Communication Details
7.1 General
7.1.1 General Association Parameters
7.2 Specifications
7.2.1 miqa-node Application Entity
7.2.1.1 Sequencing of Activities
7.2.1.2 Association Parameters
7.2.1.3 Association Initiation
7.2.1.4 Association Acceptance
7.3 Status Codes
7.3.1 General Communication and Failure Behavior
7.3.2 DIMSE Services
7.3.3 DICOM Web Services
8 Security
8.1 Introduction
8.2 External Network Requirements
8.3 TCP Port Configuration
8.4 DICOM Security Profiles Support
8.5 User Identity Negotiation Support
8.6 Web Services Security Features
8.7 Other Security Features
A.A Information Object Definitions
A.A.1 Information Shared Across Multiple IODs
A.A.1.1 Common Modules
A.A.1.2 Common Functional Group Macros
A.A.1.3 Common Private Modules
A.A.1.4 Coded Values
A.B Structured Report Content Encoding
A.C Security Details
A.D Mapping of Attributes
A.E Code Set Usage"""
"""The template's sections (PS3.2 N) in their order, without those of services that the product lacks."""
PRIVATE_CLASS, PRIVATE_SYNTAX = "1.2.840.113619.4.26", "1.2.840.113619.5.2"
REFUSED = ["1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.31", "1.2.840.10008.5.1.1.9", "1.2.840.10008.3.1.2.3.3"]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    commitment = Commitment(lambda request, association: None, lambda: None, lambda event_type, information: None)
    settings = load_settings(dicom={"host": "127.0.0.1", "port": 0, "max_associations_per_peer": 50}).dicom
    intake = Intake.of(settings, tmp_path_factory.mktemp("in"), lambda r: None, lambda: None)
    scp = StorageScp(settings, intake, commitment=commitment)
    scp.start()
    yield scp.port
    scp.stop(1.0)


def negotiate(port: int, pairs: list[tuple[str, str]], **more: Any) -> Association:
    ae = AE("TEST")
    return ae.associate("127.0.0.1", port, [build_context(*pair) for pair in pairs], **more)


def accepted(port: int, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    accepted_pairs: set[tuple[str, str]] = set()
    for start in range(0, len(pairs), 120):
        association = negotiate(port, pairs[start : start + 120])
        accepted_pairs |= {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
        association.release()
    return accepted_pairs


def test_the_sections_are_those_of_the_template() -> None:
    headings = re.findall(r"^#+ ((?:[0-9]|A[.])[A-Z0-9.]* .+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [one for one in headings if one in ANNEX_N.splitlines()] == ANNEX_N.splitlines()
    levels = re.findall(r"^(#+) ([0-9][0-9.]*) ", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [len(marks) for marks, _ in levels] == [len(number.split(".")) + 1 for _, number in levels]


def test_every_storage_class_is_accepted_and_no_other(port: int) -> None:
    listed = storage_classes()
    assert len(listed) > 150
    expected = [(uid, str(ImplicitVRLittleEndian)) for uid in [*listed, PRIVATE_CLASS]]
    assert accepted(port, expected) == set(expected)
    association = negotiate(port, [(uid, str(ImplicitVRLittleEndian)) for uid in [*REFUSED, VERIFICATION]])
    assert [str(context.abstract_syntax) for context in association.accepted_contexts] == [VERIFICATION]
    association.release()
    for uid in listed:
        assert f"`{uid}`" in PAGE.read_text("utf-8")


def test_every_transfer_syntax_is_accepted(port: int) -> None:
    pairs = [(storage_classes()[0], str(syntax)) for syntax in [*AllTransferSyntaxes, PRIVATE_SYNTAX]]
    assert accepted(port, pairs) == set(pairs)


def test_services_speak_the_listed_syntaxes_and_roles(port: int) -> None:
    pairs = [(uid, syntax) for uid in (VERIFICATION, PUSH_MODEL) for syntax in PLAIN_SYNTAXES]
    for pair in pairs:
        assert accepted(port, [pair]) == {pair}
    role = build_role(UID(PUSH_MODEL), scp_role=True)
    association = negotiate(port, [(PUSH_MODEL, PLAIN_SYNTAXES[0])], ext_neg=[role])
    (context,) = association.accepted_contexts
    assert (context.as_scp, context.as_scu) == (True, False)
    association.release()


def test_extended_negotiation_is_answered_as_stated(port: int) -> None:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = UID(storage_classes()[0]), b"\x02\x00\x02\x00"
    association = negotiate(port, [(storage_classes()[0], str(ImplicitVRLittleEndian))], ext_neg=[item])
    assert list(association.acceptor.sop_class_extended.values()) == [b"\x02\x00\x00\x00\x00\x00"]
    association.release()


@pytest.mark.more
def test_the_page_is_that_of_this_code() -> None:
    pytest.importorskip("highdicom", reason="the page is of a node with the extra [series]")
    assert PAGE.read_text("utf-8") == conformance_page(), (
        "run: python -m tools.reference conformance --out docs/reference/conformance.md"
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[tuple[str, ...], tuple[str, str]]]:
    """(value, presence) by the path of tags to an attribute, by kind."""
    return {kind: _by_path(attribute_table(examples)) for kind, examples in example_objects().items()}


def _by_path(table: list[tuple[str, str, str, str, str, str]]) -> dict[tuple[str, ...], tuple[str, str]]:
    rows: dict[tuple[str, ...], tuple[str, str]] = {}
    path: tuple[str, ...] = ()
    for name, tag, _, value, presence, _ in table:
        path = (*path[: len(name) - len(name.lstrip(">"))], tag)
        rows[path] = value, presence
    return rows


def _of_image(name: str) -> Callable[[Path], Sequence[MadeObject]]:
    path = get_testdata_file(f"{name}.dcm")
    assert isinstance(path, str), f"{name} is not among the samples"
    return lambda _folder: everything(Path(path))


FLAGGED: dict[str, Callable[[Path], Sequence[MadeObject]]] = {
    **{name: _of_image(name) for name in ("RG3_UNCR", "CT_small", "MR_small")},
    **{f"{modality} series": partial(flagged_series, modality=modality) for modality in ("CT", "MR")},
}


@pytest.mark.more
@pytest.mark.parametrize("subject", FLAGGED)
def test_the_attribute_tables_hold_what_other_images_give(
    subject: str, tables: dict[str, dict[tuple[str, ...], tuple[str, str]]], tmp_path: Path
) -> None:
    """Of objects of another image or series: each attribute is in the table of its kind, or copied as the page says."""
    assert set(tables) >= {"SR", "SEG", "KOS", "GSPS", "SC", "SEG_FRACTIONAL", "SEG_LABELMAP", "PDF", "REJECTION"}
    # An enhanced copy keeps what its source has; lungs are outlined in radiographs only.
    others = {"ENHANCED"} if subject == "RG3_UNCR" else {"ENHANCED", "SEG_LUNGS"}
    made = [one for one in FLAGGED[subject](tmp_path) if one.kind not in others]
    assert {one.kind for one in made} >= {"SR", "SEG", "SEG_LABELMAP", "KOS", "SC", "PDF"}
    for one in made:
        _compare(dcmread(BytesIO(one.data)), (), tables[one.kind], one.kind)


def _compare(ds: Dataset, path: tuple[str, ...], rows: dict[tuple[str, ...], tuple[str, str]], kind: str) -> None:
    there = set()
    for element in ds:
        here = (*path, f"({element.tag.group:04X},{element.tag.element:04X})")
        if not path and element.tag in INHERITED and here not in rows:
            continue
        assert here in rows, (kind, here, element.keyword)
        value, presence = rows[here]
        there.add(here)
        assert not (presence == "ALWAYS" and element.is_empty), (kind, element.keyword)
        if value and element.VM <= 1:
            assert str(element.value) == value, (kind, element.keyword)
        if element.VR == "SQ" and any(other[: len(here)] == here != other for other in rows):
            for item in element.value:
                _compare(item, here, rows, kind)
    always = {here for here, (_, presence) in rows.items() if here[:-1] == path and presence != "ANAP"}
    assert always <= there, (kind, always - there)


@pytest.mark.more
def test_what_is_sent_is_listed(samples: Path) -> None:
    listed = {(one.kind, one.sop_class_uid, syntax) for one in sent_objects() for syntax in one.transfer_syntax_uids}
    made = everything(samples / "RG3_UNCR.dcm")
    original = dcmread(samples / "RG3_UNCR.dcm", stop_before_pixels=True)
    assert [one.sop_class_uid for one in made if one.kind == "ENHANCED"] == [original.SOPClassUID]
    for one in made:
        syntax = str(dcmread(BytesIO(one.data)).file_meta.TransferSyntaxUID)
        sop_class = "" if one.kind == "ENHANCED" else one.sop_class_uid
        assert (one.kind, sop_class, syntax) in listed
    assert {one.kind for one in made} >= {"SR", "SEG", "KOS", "GSPS", "SC", "SEG_FRACTIONAL", "PDF"}
