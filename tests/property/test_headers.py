"""Whatever bytes arrive, reading a header ends soon, with a header or with a DataSetError."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miqa_node.core.domain.instance import is_uid
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DataSetError

# What pydicom says of damaged character sets.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
SEEDS = [
    (PYDICOM_FILES / name).read_bytes()[:6000]
    for name in ("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "image_dfl.dcm", "rtplan.dcm")
] + [(Path(str(files("data_store"))) / "data" / "eCT_Supplemental.dcm").read_bytes()[:9000]]
MANY = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        header, _ = read_header(path)
    except DataSetError as error:
        assert str(error).endswith((".", ")."))  # noqa: PT017 - either outcome is right
    else:
        assert is_uid(header.sop_instance_uid)
        assert is_uid(header.sop_class_uid)
        assert header.rows >= 0


@MANY
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes(tmp_path: Path, content: bytes, preamble: bool) -> None:
    read(tmp_path / "a", (bytes(128) + b"DICM" if preamble else b"") + content)


@MANY
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5999), st.binary(min_size=1, max_size=8)), max_size=6))
def test_damaged_headers(tmp_path: Path, whole: bytes, damage: list[tuple[int, bytes]]) -> None:
    content = bytearray(whole)
    for place, bytes_ in damage:
        content[place : place + len(bytes_)] = bytes_
    read(tmp_path / "a", bytes(content))


@MANY
@given(st.sampled_from(SEEDS), st.integers(0, 9000))
def test_headers_that_are_cut_off(tmp_path: Path, whole: bytes, length: int) -> None:
    read(tmp_path / "a", whole[:length])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seeds_are_sound(tmp_path: Path, seed: bytes) -> None:
    (tmp_path / "a").write_bytes(seed)
    assert read_header(tmp_path / "a")[0].modality
