"""Codes as items of code sequences (PS3.3 8.8)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.codes import Code
from miqa_node.stages.report.dataset import data_set


def code_item(code: Code) -> Dataset:
    """One item of a code sequence (PS3.3 8.8)."""
    return data_set(CodeValue=code.value, CodingSchemeDesignator=code.scheme, CodeMeaning=code.meaning)


def code_sequence(*values: Code) -> Sequence:
    """A code sequence."""
    return Sequence([code_item(code) for code in values])
