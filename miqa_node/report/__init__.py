"""Turns an assessment into DICOM objects: Structured Report, Segmentation, Key Object Selection."""
