"""De-identifies DICOM images for the training of models (PS3.15 Annex E)."""
