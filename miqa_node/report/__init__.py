"""Turns an assessment into DICOM objects: report, segmentations, key objects, presentation state, picture."""

from miqa_node.report.image import ReportedImage
from miqa_node.report.lower import lower_class
from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.make import make_objects
from miqa_node.report.outputs.enhanced import make_enhanced
from miqa_node.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.report.stack import ReportedSeries

__all__ = [
    "Confirmation",
    "MadeObject",
    "ReportSettings",
    "ReportedImage",
    "ReportedSeries",
    "lower_class",
    "make_enhanced",
    "make_objects",
    "rejection_note",
]
