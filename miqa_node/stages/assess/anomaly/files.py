"""The files of a package that describe ordinary images, as they lie in its folder or in a bare graph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from miqa_node.stages.assess.anomaly.section import AnomalySection


@dataclass(frozen=True, slots=True)
class AnomalyFiles:
    """Contents of the files: the arrays, and the graph of the forest."""

    arrays: bytes
    forest: bytes

    @classmethod
    def of(cls, folder: Path, section: AnomalySection) -> Self:
        """The files in a package's folder."""
        return cls(*((folder / name).read_bytes() for name in section.files))

    @property
    def sha256(self) -> str:
        """Identity of what is ordinary: a site's baseline is of one such."""
        return hashlib.sha256(self.arrays + self.forest).hexdigest()
