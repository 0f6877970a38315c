"""Orthanc shows the picture and the masks without any viewer: its own previews of SC and SEG."""

from __future__ import annotations

import io
import urllib.error
import urllib.request

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels.utils import pixel_array

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.report.made import MadeObject
from tests.peers.orthanc import GDCM, Orthanc
from tests.stages.report import making

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[ResultKind, MadeObject]:
    source = making.write(making.small(400, 300), tmp_path_factory.mktemp("source") / "source.dcm", making.as_dx)
    return {item.kind: item for item in making.everything(source)}


def preview(peer: Orthanc, made: MadeObject, frame: int = 0) -> NDArray[np.uint8]:
    instance = peer.call("/instances", made.data)["ID"]
    address = f"http://127.0.0.1:{peer.http_port}/instances/{instance}/frames/{frame}/preview"
    with urllib.request.urlopen(address, timeout=60) as response:
        return np.asarray(Image.open(io.BytesIO(response.read())))


@pytest.mark.parametrize("kind", [ResultKind("SC"), ResultKind("SC_RLE")])
def test_the_picture(kind: ResultKind, orthanc: Orthanc, made: dict[ResultKind, MadeObject]) -> None:
    shown = preview(orthanc, made[kind]).astype(int)
    expected = pixel_array(making.read(made[kind])).astype(int)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 3


def test_the_saliency(orthanc: Orthanc, made: dict[ResultKind, MadeObject]) -> None:
    """In JPEG 2000, which Orthanc leaves to its plug-in."""
    if not GDCM.exists():
        pytest.skip("orthanc-gdcm is not installed")
    maps = making.read(made[ResultKind("SEG_FRACTIONAL")]).pixel_array.astype(int)
    for frame, values in enumerate(maps):
        shown = preview(orthanc, made[ResultKind("SEG_FRACTIONAL")], frame).astype(int)
        assert shown.shape == values.shape
        # A preview is stretched to the range of the whole object, so it is the same up to contrast.
        assert np.corrcoef(shown.ravel(), values.ravel())[0, 1] > 0.99
        assert np.corrcoef(shown.ravel(), values[:, ::-1].ravel())[0, 1] < 0.5


def test_one_bit_pixels_are_kept_but_not_shown(orthanc: Orthanc, made: dict[ResultKind, MadeObject]) -> None:
    """Orthanc 1.10 has no preview of images with one bit a pixel, whoever made them: this fails once it has."""
    with pytest.raises(urllib.error.HTTPError, match="415"):
        preview(orthanc, made[ResultKind("SEG")])
    (instance,) = orthanc.call("/instances")
    assert orthanc.file(instance) == made[ResultKind("SEG")].data
