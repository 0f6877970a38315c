"""Shows a study with its results as in a reading room: an Orthanc with DICOMweb behind the OHIF viewer."""
