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
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import sha256, write_package


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    write_package(tmp_path / "models" / "tiny-1.1.0", "1.1.0")
    file = tmp_path / "site.toml"
    file.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path / "models"}"\nquality_package = "tiny-1.1.0"\n'
    )
    return file


def test_list_names_the_active_package(cli: Callable[..., Ran], config: Path) -> None:
    listed = cli("models", "list", "--json", "--config", config).json

    assert [(one["folder"], one["active"]) for one in listed] == [("tiny-1.0.0", False), ("tiny-1.1.0", True)]
    assert listed[0]["applies_to"] == "CR, CHEST/, PA/AP"
    assert "tiny-1.1.0\tactive\tquality\tCR, CHEST, PA/AP\t" in cli("models", "list", "--config", config).out


def test_check_runs_the_goldens_and_finds_what_was_altered(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    good = cli("models", "check", "--json", "--config", config)
    card = tmp_path / "models" / "tiny-1.0.0" / "card.yaml"
    card.write_text(card.read_text().replace("threshold: 0.5", "threshold: 0.4"))
    altered = cli("models", "check", "--json", "--config", config)
    other = cli("models", "check", "tiny-1.1.0", "--config", config)

    assert good.code == Exit.OK
    assert [(one["ok"], one["goldens"]) for one in good.lines] == [(True, 1), (True, 1)]
    assert altered.code == Exit.FAILED
    assert [one["ok"] for one in altered.lines] == [False, True]
    assert "card" in altered.lines[0]["error"]
    assert other.code == Exit.OK


def test_a_gradient_graph_that_the_runtime_cannot_load_fails_the_check(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "tiny-1.2.0"
    write_package(folder, "1.2.0", saliency={"maps": "maps", "method": "mean", "taps": ["global_view"]})
    cli("models", "seal", "tiny-1.2.0", "--config", config)
    file, card = folder / "model.gradients.onnx", folder / "card.yaml"
    model = onnx.load(file)
    model.graph.node[-1].op_type = "Nothing"
    old = sha256(file)
    onnx.save(model, file)
    card.write_text(card.read_text().replace(old, sha256(file)))
    ran = cli("models", "check", "tiny-1.2.0", "--json", "--config", config)
    assert ran.code == Exit.FAILED
    assert "ONNX Runtime cannot load the graph" in ran.json["error"]


def test_a_package_that_does_not_exist(cli: Callable[..., Ran], config: Path) -> None:
    assert cli("models", "check", "tiny-9.9.9", "--config", config).code == Exit.NOT_FOUND


def test_a_card_that_is_a_pipe_is_refused_and_named(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    for name in ("tiny-1.0.0", "tiny-1.1.0"):
        (tmp_path / "models" / name / "card.yaml").unlink()
        os.mkfifo(tmp_path / "models" / name / "card.yaml")

    checked = cli("models", "check", "--config", config)

    assert checked.code == Exit.FAILED
    assert "tiny-1.1.0: card.yaml is not a regular file." in checked.out


def test_a_package_is_signed_and_verified(cli: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    unsigned = cli("models", "verify", "--config", config)
    signed = cli("models", "sign", "tiny-1.1.0", "--key", tmp_path / "release.key", "--config", config)
    key = signed.out.split('"')[1]
    trusted = cli("models", "verify", "tiny-1.1.0", "--public-key", key, "--config", config)
    all_of_them = cli("models", "verify", "--public-key", key, "--json", "--config", config)
    (tmp_path / "models/tiny-1.1.0/card.yaml").write_text("name: tiny\n")
    changed = cli("models", "verify", "tiny-1.1.0", "--public-key", key, "--config", config)

    assert (unsigned.code, signed.code, trusted.code) == (Exit.FAILED, Exit.OK, Exit.OK)
    assert (tmp_path / "release.key").stat().st_mode & 0o777 == 0o600
    assert [(one["ok"], one["origin"]) for one in all_of_them.json] == [(False, "unsigned"), (True, "trusted")]
    assert changed.code == Exit.FAILED
    assert "not the one that was signed" in changed.out


def test_a_package_whose_files_do_not_fit_its_card_is_not_signed(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "models/tiny-1.0.0/golden/0.json").write_text("{}")
    refused = cli("models", "sign", "tiny-1.0.0", "--key", tmp_path / "release.key", "--config", config)
    assert refused.code != Exit.OK
    assert not (tmp_path / "models/tiny-1.0.0/signature.json").exists()


def test_shipped_packages_are_listed_beside_those_of_the_site(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    config.write_text(config.read_text().replace("shipped_packages = false\n", ""))
    shutil.copytree(share_dir("models") / "landmarks-0.5.0", tmp_path / "models" / "landmarks-0.5.0")

    ran = cli("models", "list", "--config", config)

    assert "tiny-1.1.0\tactive" in ran.out
    assert "quality-0.9.3\t" in ran.out
    assert (
        f"models/landmarks-0.5.0 is not used: {tmp_path}/models/landmarks-0.5.0 has the same name and version."
        in ran.err
    )


@pytest.mark.more
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
    assert (missing.code, "pip install 'onnx" in missing.err) == (Exit.UNAVAILABLE, True)
