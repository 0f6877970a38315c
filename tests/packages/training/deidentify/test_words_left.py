"""A word in each kind of place of a file is nowhere in the copy, and the copy is written with the same pixels."""

from __future__ import annotations

import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import generate_fragments
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.elements import find_encoding
from miqa_node.errors import DecodeError
from miqa_training.deidentify.dataset import DeidentificationMethod
from miqa_training.deidentify.files import deidentify_files
from miqa_training.deidentify.values import Secrets
from tests.packages.training.deidentify.places import GREY, PLACES, WORD, file_of, image

METHOD = DeidentificationMethod(Secrets(b"a key of the test, 16 or more"))
REFUSED = frozenset({"behind a palette", "behind a segmented palette"})
"""Nobody can say which of these bytes are colours."""
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_there_are_forty_kinds_of_places_and_more() -> None:
    assert len(PLACES) >= 80


@pytest.mark.parametrize("name", PLACES)
def test_the_word_is_not_in_the_copy(tmp_path: Path, name: str) -> None:
    made = PLACES[name]()
    source = tmp_path / "source.dcm"
    source.write_bytes(made if isinstance(made, bytes) else file_of(made))
    assert is_in(source.read_bytes()) or name == "unused bits of pixels", "the word is there before"

    [outcome] = deidentify_files([(source, Path())], tmp_path / "out", METHOD)

    assert (outcome.written is None) == (name in REFUSED), outcome.reason
    if outcome.written is not None:
        assert not is_in(outcome.written.read_bytes())
        after, before = pixels(outcome.written), None
        with suppress(DecodeError):  # some decoders refuse what the copy no longer has
            before = pixels(source)
        assert before is None or np.array_equal(after, before)


def pixels(path: Path) -> NDArray[Any]:
    """What decoders show."""
    file = path.read_bytes()
    is_plain = pydicom.dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    shown: NDArray[Any] = pydicom.dcmread(BytesIO(file if is_plain else uncompress(file))).pixel_array
    return shown


def is_in(file: bytes) -> bool:
    """Whether the word is in a file, in its inflated data set, its frames in one piece, or every other byte of it."""
    texts = [file]
    encoding = find_encoding(lambda offset, count: file[offset : offset + count])
    if encoding.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        texts.append(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file[encoding.offset :]))
    ds = pydicom.dcmread(BytesIO(file))
    if ds.file_meta.TransferSyntaxUID.is_compressed and not ds.file_meta.TransferSyntaxUID.is_deflated:
        texts.append(b"".join(generate_fragments(ds.PixelData)))
    texts += [one for text in list(texts) for one in (text[::2], text[1::2])]
    words = {WORD.lower().encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1")}
    return any(word in text.lower() for text in texts for word in words)


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-le", "utf-16-be"])
def test_a_name_among_the_values_of_pixels_is_found(tmp_path: Path, encoding: str) -> None:
    """Where nothing can be taken away, since they are pixels, the copy is not written."""
    ds = image()
    ds.PatientName, ds.ReferringPhysicianName = "Erika^Wunderlich7", "Mül^Müllér"
    for number, name in enumerate(("wunderLICH7", "müLLér", "Erika", "anybody")):
        text = name.encode("latin-1" if encoding == "ascii" else encoding)
        ds.PixelData = text + GREY.tobytes()[len(text) :]
        (tmp_path / f"{number}.dcm").write_bytes(file_of(ds))
    paths = sorted(tmp_path.iterdir())
    outcomes = deidentify_files([(path, Path()) for path in paths], tmp_path / "out", METHOD)
    assert [outcome.written is None for outcome in outcomes] == [True, True, False, False], "five letters are chance"
    assert "PixelData repeats PatientName" in outcomes[0].reason
