from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom import StoragePresentationContexts, build_context
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES

from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.receive.contexts import is_storage, supported
from tests.stages.receive.wire import Node, encoded, send_raw, small_image

PRIVATE_SYNTAX = "1.2.840.113619.5.2"


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.5.1.4.1.1.6",  # retired: Ultrasound Image Storage
        "1.2.840.10008.5.1.4.1.1.88.1",  # trial: Text SR Storage
        "1.2.840.10008.5.1.1.29",  # retired: Hardcopy Grayscale Image Storage
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol Storage
        "1.2.840.113619.4.30",  # private: GE
        "1.2.840.10008.5.1.4.1.1.99999",  # of a coming edition
    ],
)
def test_storage_classes(uid: str) -> None:
    assert is_storage(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.1",  # Verification
        "1.2.840.10008.1.20.1",  # Storage Commitment Push Model
        "1.2.840.10008.1.20.2",
        "1.2.840.10008.1.3.10",  # Media Storage Directory
        "1.2.840.10008.5.1.4.1.2.1.1",  # Patient Root FIND
        "1.2.840.10008.5.1.4.1.1.201.2",  # Inventory FIND
        "1.2.840.10008.5.1.4.31",  # Modality Worklist
        "1.2.840.10008.5.1.1.9.1",
    ],
)
def test_other_classes(uid: str) -> None:
    assert not is_storage(uid)


IMPLICIT, EXPLICIT = ImplicitVRLittleEndian, ExplicitVRLittleEndian
J2K, RLE = JPEG2000Lossless, RLELossless


@pytest.mark.parametrize(
    ("offered", "preferred", "order"),
    [
        ([IMPLICIT, J2K, EXPLICIT], (), [EXPLICIT, IMPLICIT, J2K]),
        ([IMPLICIT, J2K], (), [IMPLICIT, J2K]),
        ([J2K, IMPLICIT, EXPLICIT], (), [J2K, IMPLICIT, EXPLICIT]),  # what it compresses stays so on a slow line
        ([J2K, IMPLICIT, EXPLICIT], (EXPLICIT,), [EXPLICIT, J2K, IMPLICIT]),
        ([EXPLICIT, IMPLICIT, J2K], ("1.2.840.10008.1.2.4.201", J2K), [J2K, EXPLICIT, IMPLICIT]),
    ],
)
def test_the_senders_order_counts_unless_a_setting_says_otherwise(
    offered: list[str | UID], preferred: tuple[str, ...], order: list[UID]
) -> None:
    (context,) = supported([build_context(CTImageStorage, offered)], preferred=preferred)
    assert context.transfer_syntax == order


@pytest.mark.parametrize(
    ("contexts", "accepted"),
    [
        ([[IMPLICIT], [J2K, EXPLICIT]], [IMPLICIT, J2K]),
        ([[EXPLICIT, IMPLICIT], [J2K, EXPLICIT, IMPLICIT]], [EXPLICIT, J2K]),
        ([[IMPLICIT, EXPLICIT], [J2K], [RLE, J2K, IMPLICIT]], [EXPLICIT, J2K, RLE]),
        ([[J2K, IMPLICIT], [RLE, J2K], [EXPLICIT, RLE]], [J2K, RLE, EXPLICIT]),
        ([[J2K, EXPLICIT], [EXPLICIT, J2K]], [J2K, J2K]),  # one order for both cannot be had: the first context's
    ],
)
def test_each_context_of_a_class_has_the_order_of_its_own(
    start_node: Callable[..., Node], contexts: list[list[str | UID]], accepted: list[UID]
) -> None:
    proposed = [build_context(CTImageStorage, syntaxes) for syntaxes in contexts]
    association = ClosingAE("TEST").associate("127.0.0.1", start_node().port, proposed)
    assert [context.transfer_syntax[0] for context in association.accepted_contexts] == accepted
    association.release()


def test_every_standard_class_is_accepted_in_every_syntax(start_node: Callable[..., Node]) -> None:
    node = start_node()
    classes = [UID(str(context.abstract_syntax)) for context in StoragePresentationContexts]
    syntaxes = [*ALL_TRANSFER_SYNTAXES, PRIVATE_SYNTAX]
    pairs = [(sop, syntaxes[n % len(syntaxes)]) for n, sop in enumerate(classes)]
    pairs += [(CTImageStorage, syntax) for syntax in syntaxes]
    for start in range(0, len(pairs), 128):
        some = [build_context(*pair) for pair in pairs[start : start + 128]]
        association = ClosingAE("TEST").associate("127.0.0.1", node.port, some)
        assert association.is_established
        accepted = [(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts]
        assert accepted == [(c.abstract_syntax, c.transfer_syntax[0]) for c in some]
        association.release()


def test_services_that_do_not_exist_are_rejected(start_node: Callable[..., Node]) -> None:
    node = start_node()
    contexts = [build_context("1.2.840.10008.5.1.4.31"), build_context(CTImageStorage)]
    association = ClosingAE("TEST").associate("127.0.0.1", node.port, contexts)
    assert [c.abstract_syntax for c in association.accepted_contexts] == [CTImageStorage]
    assert [c.abstract_syntax for c in association.rejected_contexts] == ["1.2.840.10008.5.1.4.31"]
    association.release()


@pytest.mark.parametrize(
    "syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, PRIVATE_SYNTAX]
)
def test_private_classes_and_odd_syntaxes_are_stored_as_they_are(start_node: Callable[..., Node], syntax: str) -> None:
    from pynetdicom.dsutils import encode

    node = start_node()
    ds = small_image("1.2.840.113619.4.30")
    implicit = syntax in (ImplicitVRLittleEndian, PRIVATE_SYNTAX)
    deflated = syntax == DeflatedExplicitVRLittleEndian
    data = encode(ds, implicit, syntax != ExplicitVRBigEndian, deflated)
    assert data is not None
    response = send_raw(node.port, data, sop_class=ds.SOPClassUID, sop_instance=ds.SOPInstanceUID, syntax=syntax)
    assert response is not None
    assert response.Status == 0x0000
    assert node.files[0].endswith(data)


def test_a_class_of_no_known_service_gets_its_statuses_too(start_node: Callable[..., Node]) -> None:
    node = start_node()
    ds = small_image("1.2.3.4.5.6")
    response = send_raw(node.port, encoded(ds), sop_class="1.2.3.4.5.6", sop_instance="1.2.3")
    assert response is not None
    assert response.Status == 0xA900


def sample_files(per_syntax: int = 3) -> list[Path]:
    """The smallest of pydicom's own test files of each transfer syntax."""
    import pydicom

    by_syntax: dict[str, list[Path]] = {}
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for path in sorted(folder.glob("*.dcm"), key=lambda file: file.stat().st_size):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = pydicom.dcmread(path, stop_before_pixels=True)
                syntax = str(ds.file_meta.TransferSyntaxUID)
                complete = bool(ds.SOPClassUID and ds.SOPInstanceUID and ds.file_meta.FileMetaInformationGroupLength)
        except Exception:  # files made to be broken
            continue
        if complete and len(by_syntax.setdefault(syntax, [])) < per_syntax:
            by_syntax[syntax].append(path)
    assert len(by_syntax) >= 10
    return [path for paths in by_syntax.values() for path in paths]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
@pytest.mark.parametrize("path", sample_files(), ids=lambda path: path.stem)
def test_real_files_of_every_syntax_are_stored_byte_for_byte(start_node: Callable[..., Node], path: Path) -> None:
    from pydicom import dcmread

    ds = dcmread(path, stop_before_pixels=True)
    data = path.read_bytes()[128 + 4 + 12 + ds.file_meta.FileMetaInformationGroupLength :]
    node = start_node()
    response = send_raw(
        node.port,
        data,
        sop_class=ds.SOPClassUID,
        sop_instance=ds.SOPInstanceUID,
        syntax=ds.file_meta.TransferSyntaxUID,
    )
    assert response is not None
    assert response.Status == 0x0000
    assert node.files[0].endswith(data)
    assert node.received[0].digest == hashlib.sha256(data).hexdigest()
