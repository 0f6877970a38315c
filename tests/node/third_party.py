"""Installs a distribution of somebody else beside the node, as pip would lay it out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from miqa_node.plugins import Seam


@contextmanager
def installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seam: Seam[Any], name: str, code: str, value: str
) -> Iterator[None]:
    """A plug-in ``name`` of a seam: the object ``value`` of a module with this ``code``."""
    module = f"other_{name.lower()}"
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{seam.group}]\n{name} = {module}:{value}\n")
    (folder / f"{module}.py").write_text(code)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(seam, "_loaded", {})
        yield
    sys.modules.pop(module, None)
