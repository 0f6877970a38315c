"""The identity of a model package: what a statement names as its maker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model package; ``sha256`` identifies its graphs and is empty for the node itself."""

    name: str
    version: str
    sha256: str

    @property
    def label(self) -> str:
        """``<name>-<version>``."""
        return f"{self.name}-{self.version}"
