"""The REST interface, DICOMweb and predictions: for programs."""
