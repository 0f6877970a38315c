"""Turns an assessment into DICOM objects: Structured Report, Segmentation, Key Object Selection."""

from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.make import make_objects

__all__ = ["MadeObject", "ReportSettings", "make_objects"]
