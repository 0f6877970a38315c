"""What a STOW-RS service answers, and what becomes of the delivery."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from miqa_node.errors import DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.stow import StowConfig, StowDestination
from tests.stages.deliver.dicomweb import dicomweb
from tests.stages.deliver.making import as_file, outcomes, report
from tests.stages.deliver.serving import QuietHandler, serving
from tests.stages.deliver.test_stow import Make
from tests.stages.report.making import everything, read, small, write
from tests.waiting import delay


def is_plain(ds: Dataset) -> bool:
    return not ds.file_meta.TransferSyntaxUID.is_encapsulated


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
