"""Builds the data sets of results from their values."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag


def data_set(**values: Any) -> Dataset:
    """A data set with these values by keyword.

    Single texts and numbers are taken as they are. Assigned to a data set, pydicom would examine each of them, which
    takes ten times as long; every object is checked as a whole before it leaves (stages/report/validate.py).
    """
    elements: dict[BaseTag, DataElement | RawDataElement] = {}
    for keyword, value in values.items():
        tag, vr = _attribute(keyword)
        elements[tag] = DataElement(tag, vr, value, already_converted=type(value) in (str, int))
    return Dataset(elements)


@lru_cache(maxsize=512)
def _attribute(keyword: str) -> tuple[BaseTag, str]:
    return Tag(keyword), dictionary_VR(keyword)
