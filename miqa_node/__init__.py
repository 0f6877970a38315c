"""miqa-node: a DICOM node that tells within seconds whether a medical image is technically usable."""

__version__ = "0.1.0"
