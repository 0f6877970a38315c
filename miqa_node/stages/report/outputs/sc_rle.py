"""The same picture without loss, in RLE."""

from __future__ import annotations

from pydicom.uid import RLELossless

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.report.capture import capture_output

OUTPUT = capture_output(ResultKind("SC_RLE"), RLELossless, order=70)
