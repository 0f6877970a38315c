"""Makes the DICOM objects that say what was found."""
