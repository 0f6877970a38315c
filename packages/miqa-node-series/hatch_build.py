"""What stands on the node asks for it in its own version, which stands in ``miqa_node/__init__.py`` alone."""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class SameVersion(MetadataHookInterface):
    """Fills the list of dependencies in."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the dependency, before those of the hook's own table."""
        metadata["dependencies"] = [f"miqa-node=={metadata['version']}", *self.config.get("dependencies", [])]
