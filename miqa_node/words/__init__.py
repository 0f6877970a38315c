"""What is said about a result: codes, names, sentences and headlines. Nothing here reads or writes DICOM files."""
