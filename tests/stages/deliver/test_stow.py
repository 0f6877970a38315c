"""What a STOW-RS service answers, and what becomes of the delivery."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import CommitmentUnsupportedError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import DeliveryContext, OnWarning
from miqa_node.stages.deliver.kinds.stow import StowConfig, StowDestination, read_answer
from tests.stages.deliver.dicomweb import Web, dicomweb
from tests.stages.deliver.making import as_file, outcomes, report
from tests.stages.deliver.serving import QuietHandler, serving
from tests.stages.report.making import everything, read, small, write
from tests.waiting import delay

Make = Callable[..., DeliverSettings]


def outcome_of(web: Web, settings: DeliverSettings, **more: Any) -> Exception | None:
    destination = StowDestination(StowConfig(name="web", url=web.url, **more), DeliveryContext(settings))
    try:
        return outcomes(destination, as_file(report()))[0]
    finally:
        destination.close()


def is_plain(ds: Dataset) -> bool:
    return not ds.file_meta.TransferSyntaxUID.is_encapsulated


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (503, DeliveryError, "503 Service Unavailable"),
        (401, DeliveryError, "token_file"),
        (404, DeliveryError, "url"),
        (500, DeliveryError, "500"),
        (302, DeliveryError, "302 Found. Redirects are not followed"),
        (413, DeliveryRefusedError, "413"),
        (415, DeliveryRefusedError, "415"),
        (202, DeliveryError, "did not say"),
    ],
)
def test_http_statuses(deliver_settings: Make, status: int, kind: type[Exception], says: str) -> None:
    with dicomweb() as web:
        web.answer = lambda: (status, "text/plain", b"")
        outcome = outcome_of(web, deliver_settings())
    assert type(outcome) is kind
    assert says in str(outcome)


@pytest.mark.parametrize(
    ("reason", "kind"), [(0x0110, DeliveryError), (0xA700, DeliveryError), (0xA900, DeliveryRefusedError)]
)
def test_failure_reasons(deliver_settings: Make, reason: int, kind: type[Exception]) -> None:
    with dicomweb() as web:
        web.reason = lambda ds: reason
        outcome = outcome_of(web, deliver_settings())
    assert type(outcome) is kind
    assert f"{reason:04X}" in str(outcome)


FOUND = (200, b"")


@pytest.mark.parametrize(
    ("reason", "search", "arrives"),
    [
        (0x0111, FOUND, True),
        (0xB00E, FOUND, True),
        (0x0110, FOUND, True),
        (0x0111, (200, b"[]"), False),
        (0xB00E, (204, b""), False),
        (0x0110, (204, b""), False),
        (0x0111, (404, b""), True),
        (0xB00E, (501, b""), True),
        (0x0110, (404, b""), False),
        (0x0110, (501, b""), False),
        (0x0111, (503, b""), False),
    ],
)
def test_a_repeated_object_has_arrived_if_a_search_finds_it_or_the_reason_says_so_where_nothing_searches(
    deliver_settings: Make, reason: int, search: tuple[int, bytes], arrives: bool
) -> None:
    """The answer to the first request was lost; a bare 409 proves nothing (PS3.18 I.2.2)."""
    with dicomweb() as web:
        web.reason = lambda ds: reason
        web.search = lambda path: (search[0], "application/dicom+json", _match(path) if search is FOUND else search[1])
        outcome = outcome_of(web, deliver_settings())
        assert (outcome is None) == arrives
        assert arrives or type(outcome) is DeliveryError
        assert len(web.searches) == 1
        if arrives:
            destination = StowDestination(StowConfig(name="web", url=web.url), DeliveryContext(deliver_settings()))
            note = destination.send_one(*as_file(report()))
            destination.close()
            assert note is not None
            assert note.startswith(f"The archive had it already: it answered 0x{reason:04X}")
            assert ("a search found it" in note) == (search is FOUND)


def _match(path: str) -> bytes:
    uid = path.partition("/instances?00080018=")[2]
    return json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}}]).encode()


def test_a_bare_conflict_is_a_failure(deliver_settings: Make) -> None:
    with dicomweb() as web:
        web.answer = lambda: (409, "text/plain", b"")
        outcome = outcome_of(web, deliver_settings())
    assert type(outcome) is DeliveryError


def test_a_failure_with_the_reason_of_a_warning_is_a_failure(deliver_settings: Make) -> None:
    with dicomweb() as web:
        web.reason = lambda ds: 0xB000
        assert type(outcome_of(web, deliver_settings())) is DeliveryError


def test_a_warning_is_success_or_another_attempt_as_the_site_chose(deliver_settings: Make) -> None:
    with dicomweb() as web:
        web.warning = lambda ds: 0xB000
        assert outcome_of(web, deliver_settings()) is None
        outcome = outcome_of(web, deliver_settings(), on_warning=OnWarning.RETRY)
    assert type(outcome) is DeliveryError
    assert "B000" in str(outcome)


def test_a_service_that_lies_about_other_objects_is_not_believed(deliver_settings: Make) -> None:
    with dicomweb() as web:
        other = b'{"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}}'
        web.answer = lambda: (200, "application/dicom+json", other)
        outcome = outcome_of(web, deliver_settings())
    assert type(outcome) is DeliveryError


def test_answers_that_cannot_be_read(deliver_settings: Make) -> None:
    no_value = b'{"00081199": {"Value": [{"00081155": {"Value": []}}]}}'
    endless = b'{"00081198": {"Value": [{"00081155": {"Value": ["1.2"]}, "00081197": {"Value": [1e999]}}]}}'
    deep, long = b"[" * 100_000, b"x" * (2 << 20)
    for body in (b"<html>", b"[1]", b"[]", b"{", b'{"00081199": 3}', no_value, endless, deep, long):
        with dicomweb() as web:
            web.answer = lambda body=body: (200, "application/dicom+json", body)
            assert type(outcome_of(web, deliver_settings())) is DeliveryError


def test_xml_is_read_too() -> None:
    item = (
        '<Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2.{}</Value></DicomAttribute>'
        "{}</Item>"
    )
    reason = '<DicomAttribute tag="00081197" vr="US"><Value number="1">272</Value></DicomAttribute>'
    body = (
        f'<NativeDicomModel><DicomAttribute tag="00081199" vr="SQ">{item.format(1, "")}</DicomAttribute>'
        f'<DicomAttribute tag="00081198" vr="SQ">{item.format(2, reason)}</DicomAttribute></NativeDicomModel>'
    )
    assert read_answer("application/dicom+xml", body.encode()) == ({"1.2.1": 0}, {"1.2.2": 0x0110})
    with pytest.raises(DeliveryError):
        read_answer("text/xml", b'<!DOCTYPE x [<!ENTITY a "b">]><x/>')


def test_a_slow_service_and_nobody(deliver_settings: Make) -> None:
    with dicomweb() as web:
        web.delay_s = 1.0
        outcome = outcome_of(web, deliver_settings(dimse_timeout_s=0.3))
        assert "no answer" in str(outcome)
        gone = web.url
    destination = StowDestination(StowConfig(name="web", url=gone), DeliveryContext(deliver_settings()))
    assert "nobody listens" in str(outcomes(destination, as_file(report()))[0])
    destination.close()


def test_a_service_that_answers_a_byte_at_a_time_does_not_hang(deliver_settings: Make) -> None:
    with dicomweb() as web:
        web.drip_s = 0.05
        outcome = outcome_of(web, deliver_settings(dimse_timeout_s=0.3))
    assert "no answer" in str(outcome)


def test_the_token_is_read_anew_each_time_and_a_folder_is_none(deliver_settings: Make, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n")
    with dicomweb() as web:
        assert outcome_of(web, deliver_settings(), token_file=str(token)) is None
        assert web.headers[0]["Authorization"] == "Bearer abc"
        assert 'type="application/dicom"' in web.headers[0]["Content-Type"]
        assert "token_file" in str(outcome_of(web, deliver_settings(), token_file=str(tmp_path)))


def test_tls_with_a_certificate_of_ours(deliver_settings: Make, tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    client = ca.issue_cert("node@example.org")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "node.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    trusted = {"tls_ca": str(tmp_path / "ca.pem")}
    with dicomweb(context) as web:
        assert outcome_of(web, deliver_settings(), **trusted, tls_certificate=str(tmp_path / "node.pem")) is None
        assert type(outcome_of(web, deliver_settings())) is DeliveryError  # nobody trusts it
        assert type(outcome_of(web, deliver_settings(), **trusted)) is DeliveryError  # it wants to know who we are
        assert "cannot be used" in str(outcome_of(web, deliver_settings(), tls_ca=str(tmp_path / "none.pem")))
    assert len(web.stored) == 1


def test_commitment_is_nothing_for_it(deliver_settings: Make) -> None:
    destination = StowDestination(StowConfig(name="web", url="http://127.0.0.1:1"), DeliveryContext(deliver_settings()))
    with pytest.raises(CommitmentUnsupportedError):
        destination.request_commitment("1.2", [])


@pytest.mark.more
@pytest.mark.parametrize("refusal", [415, 0xC122])
def test_a_service_that_takes_nothing_compressed_gets_the_same_pixels_uncompressed(
    deliver_settings: Make, tmp_path: Path, refusal: int
) -> None:
    """Each compressed kind: refused as it is, sent again at once, and kept as a decoder reads it."""
    made = [one for one in everything(write(small(), tmp_path / "source.dcm")) if not is_plain(read(one))]
    assert {one.kind for one in made} >= {"SC", "SC_RLE", "SC_J2K", "SEG_FRACTIONAL"}
    with dicomweb() as web:
        if refusal == 415:
            web.takes = is_plain
        else:
            web.reason = lambda ds: 0 if is_plain(ds) else refusal
        destination = StowDestination(StowConfig(name="web", url=web.url), DeliveryContext(deliver_settings()))
        files = [(one.sop_class_uid, one.sop_instance_uid, one.data) for one in made]
        assert outcomes(destination, *files) == [None] * len(made)
        destination.close()
    assert len(web.headers) == 2 * len(made)
    assert [uid for uid, _ in web.stored] == [one.sop_instance_uid for one in made]
    for one, (_, file) in zip(made, web.stored, strict=True):
        plain = dcmread(BytesIO(file))
        assert plain.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert np.array_equal(plain.pixel_array, read(one).pixel_array), one.kind


@pytest.mark.more
@pytest.mark.parametrize("refusal", [415, 0xC122])
def test_a_service_that_takes_no_form_of_an_object_is_asked_no_more(
    deliver_settings: Make, tmp_path: Path, refusal: int
) -> None:
    picture = next(one for one in everything(write(small(), tmp_path / "source.dcm")) if one.kind == "SC")
    with dicomweb() as web:
        if refusal == 415:
            web.takes = lambda ds: False
        else:
            web.reason = lambda ds: refusal
        destination = StowDestination(StowConfig(name="web", url=web.url), DeliveryContext(deliver_settings()))
        (outcome,) = outcomes(destination, (picture.sop_class_uid, picture.sop_instance_uid, picture.data))
        destination.close()
    assert type(outcome) is DeliveryRefusedError
    assert (len(web.headers), web.stored) == (2, [])


@pytest.mark.more
def test_a_large_object_may_take_longer_than_an_answer(deliver_settings: Make) -> None:
    class Slow(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
            for rest in range(int(self.headers["Content-Length"]), 0, -(1 << 20)):
                delay(0.07)
                self.rfile.read(min(rest, 1 << 20))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    ds = report(SegmentationStorage)
    ds.PixelData = bytes(40 << 20)
    ds["PixelData"].VR = "OB"
    with serving(Slow) as address:
        context = DeliveryContext(deliver_settings(dimse_timeout_s=1.0))
        destination = StowDestination(StowConfig(name="web", url=address), context)
        assert outcomes(destination, as_file(ds)) == [None]
        destination.close()
