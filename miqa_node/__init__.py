"""miqa-node: a DICOM node that tells within seconds whether a medical image is technically usable."""

import os

__version__ = "0.1.0"

# ONNX Runtime reads this when it is loaded; otherwise it reports its use to its makers, by a thread of its own.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
