"""Every case of the reference table decodes as its line says, in child processes that none of them kills."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from miqa_node.imaging.decode import Decoder
from miqa_node.settings import load_settings
from tests.dicom.reference import FOLDERS, Case, load_cases, observe

CASES = load_cases()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(load_settings(imaging={"decode_processes": 1}).imaging) as decoder:
        yield decoder


def _mark(case: Case) -> object:
    marks = [pytest.mark.shared] if case.source == "shared" else []
    return pytest.param(case, id=f"{case.source}/{case.file}", marks=marks)


@pytest.mark.parametrize("case", [_mark(case) for case in CASES])
def test_decodes_as_the_table_says(case: Case, decoder: Decoder) -> None:
    if not FOLDERS[case.source].is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    seen = observe(decoder, case.source, case.file)
    assert (seen.error, seen.reason) == (case.error, case.reason)
    assert (seen.rows, seen.columns, seen.frames, seen.dtype) == (case.rows, case.columns, case.frames, case.dtype)
    assert seen.decoder == case.decoder
    if not case.error:
        # Lossy codecs may differ by rounding between processors; their means may not.
        assert float(seen.mean) == pytest.approx(float(case.mean), abs=0.5)
    assert seen.stored_sha256 == case.stored_sha256
    assert seen.display_sha256 == case.display_sha256


def test_the_table_covers_the_installed_files() -> None:
    """A case that a newer release of a package adds must be looked at."""
    for source in ("pydicom", "pydicom-data"):
        listed = {case.file for case in CASES if case.source == source}
        assert listed, source
        assert {name for name in listed if not (FOLDERS[source] / name).exists()} == set()


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
