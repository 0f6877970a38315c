"""The node's implementation identification for DICOM peers and in its files (PS3.7 D.3.3.2)."""

from __future__ import annotations

from miqa_node import __version__

MANUFACTURER = "miqa-node"
"""Manufacturer (0008,0070) of all objects made by the node."""

IMPLEMENTATION_CLASS_UID = "2.25.59086652453054321364664539064839663335"
"""The same for all versions of this software."""

IMPLEMENTATION_VERSION_NAME = f"MIQA_{__version__}"[:16]
