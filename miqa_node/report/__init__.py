"""Turns an assessment into DICOM objects: report, segmentations, key objects, presentation state, picture."""
