"""miqa-node: a DICOM node that determines within seconds whether a medical image is technically usable."""

import os

__version__ = "0.2.0"

# ONNX Runtime reads this at import; otherwise it sends telemetry to its makers, in a thread of its own.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
