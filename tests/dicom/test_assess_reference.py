"""Every case of the reference table through ``miqa-node assess``: one run over all files, none of which ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dicom.reference import FOLDERS, JUDGED, Case, load_cases, said_by_assess

pytestmark = pytest.mark.more

CASES = load_cases()
NO_IMAGE = "The object is not an image."


@pytest.fixture(scope="module")
def answers() -> dict[Path, str]:
    """What the command says of every file that is here."""
    # A directory that lists files stands for them, and has no line of its own.
    directories = {case.path: NO_IMAGE for case in CASES if case.path.name == "DICOMDIR"}
    return directories | said_by_assess([case.path for case in CASES if FOLDERS[case.source].is_dir()])


def _mark(case: Case) -> object:
    marks = [] + ([pytest.mark.shared] if case.source == "shared" else [])
    return pytest.param(case, id=f"{case.source}/{case.file}", marks=marks)


@pytest.mark.parametrize("case", [_mark(case) for case in CASES])
def test_assess_says_what_the_table_says(case: Case, answers: dict[Path, str]) -> None:
    if not FOLDERS[case.source].is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    assert answers[case.path] == case.assess


def test_whatever_decodes_is_judged_unless_it_shows_no_patient() -> None:
    """The table agrees with itself: segmentations, dose and the like decode, and are no images."""
    for case in CASES:
        if case.error:
            assert case.assess not in ("", JUDGED), case.file
        else:
            assert case.assess in (JUDGED, NO_IMAGE), case.file
    assert sum(case.assess == JUDGED for case in CASES) > 300
