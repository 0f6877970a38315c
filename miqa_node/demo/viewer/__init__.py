"""Shows a study with its results as a reading room would: an Orthanc with DICOMweb and the OHIF viewer before it."""
