"""Turns an assessment into DICOM objects: report, segmentations, key objects, presentation state, picture."""

from miqa_node.report.derived import make_enhanced
from miqa_node.report.lower import lower_class
from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.make import make_objects
from miqa_node.report.rejection import Confirmation, rejection_note
from miqa_node.report.stack import Marked, Stack, make_series_objects

__all__ = [
    "Confirmation",
    "MadeObject",
    "Marked",
    "ReportSettings",
    "Stack",
    "lower_class",
    "make_enhanced",
    "make_objects",
    "make_series_objects",
    "rejection_note",
]
