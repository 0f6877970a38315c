"""The same picture without loss, in JPEG 2000."""

from __future__ import annotations

from pydicom.uid import JPEG2000Lossless

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.report.capture import capture_output

OUTPUT = capture_output(ResultKind("SC_J2K"), JPEG2000Lossless, order=80)
