"""The picture as a Secondary Capture in JPEG baseline: small, and supported by every viewer."""

from __future__ import annotations

from pydicom.uid import JPEGBaseline8Bit

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.report.capture import capture_output

OUTPUT = capture_output(ResultKind("SC"), JPEGBaseline8Bit, order=60)
