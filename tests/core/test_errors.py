"""Places of errors in the log: where the node was, and where a library was."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydicom.dataset import Dataset

from miqa_node.dicom.pixels.grayscale import read_grayscale
from miqa_node.errors import place_of


def test_an_error_of_a_library_has_the_place_that_called_it() -> None:
    class Broken(Dataset):
        def get(self, key: Any, default: Any = None) -> Any:
            return int("seven")

    with pytest.raises(ValueError, match="seven") as caught:
        read_grayscale(Broken())
    assert re.fullmatch(r"grayscale\.py:\d+ > test_errors\.py:\d+", place_of(caught.value))


def test_an_error_from_another_process_has_its_place_there() -> None:
    error = ValueError()
    assert place_of(error) == ""
    error.place = "frame.py:12"  # type: ignore[attr-defined]
    assert place_of(error) == "frame.py:12"
