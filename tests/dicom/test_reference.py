"""Every case of the reference table decodes as its line says, in child processes that none of them kills."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from miqa_node.core.settings import load_settings
from miqa_node.runtime.workers.pool import WorkerPool
from tests.dicom.reference import FOLDERS, LOSSLESS_JPEG, Case, decode_sof3, load_cases, observe

CASES = load_cases()
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(load_settings(work={"processes": 1})) as pool:
        yield pool


def _mark(case: Case) -> object:
    marks = [pytest.mark.shared] if case.source == "shared" else []
    return pytest.param(case, id=f"{case.source}/{case.file}", marks=marks)


@pytest.mark.parametrize("case", [_mark(case) for case in CASES])
def test_decodes_as_the_table_says(case: Case, pool: WorkerPool) -> None:
    if not FOLDERS[case.source].is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    observation = observe(pool, case.source, case.file)
    assert (observation.error, observation.reason) == (case.error, case.reason)
    assert (observation.rows, observation.columns, observation.frames, observation.dtype) == (
        case.rows,
        case.columns,
        case.frames,
        case.dtype,
    )
    assert observation.decoder == case.decoder
    if not case.error:
        # Lossy codecs may differ by rounding between processors; their means may not.
        assert float(observation.mean) == pytest.approx(float(case.mean), abs=0.5)
    assert observation.stored_sha256 == case.stored_sha256
    assert observation.display_sha256 == case.display_sha256


def test_the_table_covers_the_installed_files() -> None:
    """A case that a newer release of a package adds must be looked at."""
    for source in ("pydicom", "pydicom-data"):
        listed = {case.file for case in CASES if case.source == source}
        assert listed, source
        assert {name for name in listed if not (FOLDERS[source] / name).exists()} == set()


@pytest.mark.parametrize("syntax", ["5", "4.57", "4.70", "4.80", "4.90"])
def test_lossless_cases_have_the_pixels_of_an_uncompressed_case(syntax: str) -> None:
    """Some pictures are in the table uncompressed too: the strongest witness, for it needs no codec at all."""
    plain = {case.stored_sha256 for case in CASES if case.transfer_syntax in UNCOMPRESSED}
    compressed = [case for case in CASES if case.transfer_syntax == f"1.2.840.10008.1.2.{syntax}"]
    assert any(case.stored_sha256 in plain for case in compressed)


@pytest.mark.parametrize(
    "case", [_mark(case) for case in CASES if case.transfer_syntax.endswith(LOSSLESS_JPEG) and not case.error]
)
def test_lossless_jpeg_has_the_same_pixels_in_an_independent_decoder(case: Case, pool: WorkerPool) -> None:
    if not FOLDERS[case.source].is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    image, other = pool.decode(case.path), decode_sof3(case.path)
    if other.ndim == 3:  # the node shows luminance
        other = cv2.cvtColor(other, cv2.COLOR_RGB2GRAY)
    assert np.array_equal(image.stored, other)


def test_lossless_cases_were_confirmed_by_another_decoder() -> None:
    """Nearly all lossless compressed monochrome cases have the same pixels in an independent library."""
    compressed = [
        case
        for case in CASES
        if case.stored_sha256 and case.transfer_syntax.endswith((".5", ".57", ".70", ".80", ".90", ".201"))
    ]
    confirmed = [case for case in compressed if case.agrees_with]
    assert len(compressed) > 40
    assert len(confirmed) >= 0.6 * len(compressed)


def test_errors_say_what_to_do_and_name_nobody() -> None:
    for case in CASES:
        if case.error:
            assert len(case.reason) > 30
            assert "^" not in case.reason


def test_the_page_in_the_documentation_is_made_from_the_table() -> None:
    from tests.dicom.page import PAGE, page

    assert PAGE.read_text("utf-8") == page(), "python -m tests.dicom.page"
