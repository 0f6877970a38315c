"""DICOM data sets as bytes, read without a library."""
