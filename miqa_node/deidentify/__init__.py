"""Removes who the patient is from DICOM images, so that models can learn from them (PS3.15 Annex E)."""
