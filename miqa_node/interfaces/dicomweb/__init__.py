"""DICOMweb: search, retrieve and store."""
