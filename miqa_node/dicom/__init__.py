"""DICOM without a database: headers and encodings as bytes, images as pixels."""
