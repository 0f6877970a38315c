"""Turns an assessment into DICOM objects: report, segmentations, key objects, presentation state, picture."""

from miqa_node.report.image import ReportedImage, series_report_uid
from miqa_node.report.lower import lower_class
from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.make import ReportSubject, amend_objects, make_objects
from miqa_node.report.outputs.enhanced import make_enhanced
from miqa_node.report.outputs.kos import SOP_CLASS_UID as KEY_OBJECT
from miqa_node.report.outputs.rejection import Confirmation, rejection_note
from miqa_node.report.outputs.sr import SOP_CLASS_UID as REPORT
from miqa_node.report.stack import ReportedSeries
from miqa_node.report.withdrawal import notes_in_force, withdraw_key_object

__all__ = [
    "KEY_OBJECT",
    "REPORT",
    "Confirmation",
    "MadeObject",
    "ReportSettings",
    "ReportSubject",
    "ReportedImage",
    "ReportedSeries",
    "amend_objects",
    "lower_class",
    "make_enhanced",
    "make_objects",
    "notes_in_force",
    "rejection_note",
    "series_report_uid",
    "withdraw_key_object",
]
