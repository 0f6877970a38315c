# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Model packages on the command line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from miqa_node.core.settings import share_dir
from miqa_node.interfaces.cli.exits import Exit
from tests.features.models.command.test_models import config
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import sha256, write_package


def test_gradient_graphs_are_sealed_in_and_checked(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "tiny-1.2.0"
    write_package(folder, "1.2.0", saliency={"maps": "maps", "method": "mean", "taps": ["global_view"]})
    before = cli("models", "check", "tiny-1.2.0", "--json", "--config", config).json
    sealed = cli("models", "seal", "tiny-1.2.0", "--config", config)
    after = cli("models", "check", "tiny-1.2.0", "--json", "--config", config).json

    assert (sealed.code, sealed.out) == (Exit.OK, "tiny-1.2.0 model.gradients.onnx\n")
    assert (before["gradient_graphs"], after["gradient_graphs"]) == ({"model.onnx": False}, {"model.onnx": True})
    # Its card names no layer, so no gradient can be taken.
    assert "model.onnx: No layer is named" in cli("models", "seal", "tiny-1.0.0", "--config", config).out
    assert cli("models", "seal", "tiny-9.9.9", "--config", config).code == Exit.NOT_FOUND
    cli("models", "sign", "tiny-1.2.0", "--key", tmp_path / "key.pem", "--config", config)
    signed = cli("models", "seal", "tiny-1.2.0", "--config", config)
    assert (signed.code, "sign it again" in signed.err) == (Exit.CONFLICT, True)

    monkeypatch.delitem(sys.modules, "miqa_node.stages.explain.sealing")
    monkeypatch.delitem(sys.modules, "miqa_node.stages.explain.derivation")
    monkeypatch.setitem(sys.modules, "onnx", None)
    missing = cli("models", "seal", "tiny-1.0.0", "--config", config)
    assert (missing.code, "miqa-node[seal]" in missing.err) == (Exit.UNAVAILABLE, True)
