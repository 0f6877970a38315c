"""Turns an assessment into DICOM objects: report, segmentations, key objects, presentation state, picture."""

from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.make import make_objects
from miqa_node.report.rejection import Confirmation, rejection_note

__all__ = ["Confirmation", "MadeObject", "ReportSettings", "make_objects", "rejection_note"]
