"""A package that nobody trusted signed, or that was changed since, judges nothing where signatures are required."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs

from miqa_node.core.keys.signing import Signer
from miqa_node.core.language.catalogue import reworded, spoken
from miqa_node.core.settings import Accelerator, AssessSettings, load_settings, share_dir
from miqa_node.errors import MiqaError, ModelPackageError, SettingsError
from miqa_node.stages.assess import signatures
from miqa_node.stages.assess.bare import pack
from miqa_node.stages.assess.package_files import read_package_card
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.sidecars import open_sidecar
from miqa_node.stages.assess.signatures import PackageOrigin, origin_of, sign_package, signature_path
from tests.stages.assess.making import sha256, write_package

DENOISER = next(share_dir("models").glob("denoiser-*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    return tmp_path / "models" / "tiny-1.0.0"


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "release.key")


def settings(*keys: str, required: bool = True) -> AssessSettings:
    return load_settings(assess={"trusted_keys": list(keys), "require_signatures": required}).assess


def test_by_default_an_unsigned_package_judges_and_the_log_says_so_once(folder: Path) -> None:
    signatures._warn.cache_clear()
    with capture_logs() as logs:
        for _ in range(2):
            open_package(folder, Accelerator.CPU, load_settings().assess)
    assert [(one["log_level"], one["package"]) for one in logs if "no trusted key" in one["event"]] == [
        ("warning", "tiny-1.0.0")
    ]


def test_why_a_package_is_refused_is_german_on_german_pages(folder: Path, signer: Signer, tmp_path: Path) -> None:
    sentences = []
    for _ in range(2):
        with pytest.raises(ModelPackageError) as refusal:
            signatures.check_origin(folder, settings(signer.public_key))
        with spoken("de"):
            sentences.append(reworded(str(refusal.value)))
        sign_package(folder, Signer.open(tmp_path / "other.key"))
    assert "ist nicht signiert, und" in sentences[0]
    assert "ist mit einem Schlüssel signiert, der nicht in trusted_keys steht, und" in sentences[1]


def test_where_signatures_are_required_only_a_trusted_one_opens_the_package(
    folder: Path, signer: Signer, tmp_path: Path
) -> None:
    with pytest.raises(ModelPackageError, match=r"not signed.*models sign"):
        open_package(folder, Accelerator.CPU, settings(signer.public_key))
    sign_package(folder, Signer.open(tmp_path / "other.key"))
    with pytest.raises(ModelPackageError, match="trusted_keys"):
        open_package(folder, Accelerator.CPU, settings(signer.public_key))
    sign_package(folder, signer)
    assert open_package(folder, Accelerator.CPU, settings(signer.public_key)).name == "tiny-1.0.0"


def test_what_was_changed_after_it_was_signed_is_refused_though_its_checksums_fit(folder: Path, signer: Signer) -> None:
    sign_package(folder, signer)
    card = yaml.safe_load((folder / "card.yaml").read_text())
    (folder / "golden/0.json").write_text((folder / "golden/0.json").read_text() + " ")
    card["files"]["golden/0.json"] = sha256(folder / "golden/0.json")
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    for required in (True, False):
        with pytest.raises(ModelPackageError, match="not the one that was signed"):
            open_package(folder, Accelerator.CPU, settings(signer.public_key, required=required))


def test_a_signature_of_another_package_or_purpose_is_worth_nothing(
    folder: Path, signer: Signer, tmp_path: Path
) -> None:
    write_package(tmp_path / "models" / "tiny-1.1.0", "1.1.0")
    shutil.copy(sign_package(tmp_path / "models" / "tiny-1.1.0", signer), signature_path(folder))
    with pytest.raises(ModelPackageError, match="not the one that was signed"):
        origin_of(folder, (signer.public_key,))
    proof = json.loads(sign_package(folder, signer).read_text())["document"] | {"purpose": "erasure"}
    signature_path(folder).write_text(json.dumps(signer.sign(proof)))
    with pytest.raises(ModelPackageError, match="not the one that was signed"):
        origin_of(folder, (signer.public_key,))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"document": {}, "public_key": "x", "signature": "y"}'])
def test_a_damaged_signature_is_refused(folder: Path, text: str) -> None:
    signature_path(folder).write_text(text)
    with pytest.raises(ModelPackageError, match="not a valid signature"):
        origin_of(folder, ())


def test_a_bare_file_has_its_signature_beside_it(folder: Path, signer: Signer) -> None:
    package = open_package(folder, Accelerator.CPU, settings(required=False))
    bare = folder.parent / "tiny-1.0.0.onnx"
    pack(folder, package.card, "model.onnx", bare)
    sign_package(bare, signer)
    assert open_package(bare, Accelerator.CPU, settings(signer.public_key)).name == "tiny-1.0.0"
    bare.write_bytes(bare.read_bytes() + b"\0")
    with pytest.raises(MiqaError):
        open_package(bare, Accelerator.CPU, settings(signer.public_key))


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="trusted_keys"):
        settings("not a key")


def test_a_key_is_made_on_a_memory_stick_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT has no hard links."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    made = Signer.open(tmp_path / "release.key")
    assert Signer.open(tmp_path / "release.key").public_key == made.public_key
    assert [path.name for path in tmp_path.iterdir()] == ["release.key"]


def test_a_package_that_does_not_fit_on_the_disk_leaves_no_half(folder: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # what a full disk does, without filling one
    try:
        with pytest.raises(OSError, match="too large"):
            pack(folder, read_package_card(folder), "model.onnx", folder.parent / "tiny-1.0.0.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in folder.parent.iterdir()] == ["tiny-1.0.0"]


@pytest.mark.more
def test_packages_of_other_tasks_need_a_signature_too_but_not_where_they_were_shipped(tmp_path: Path) -> None:
    assert origin_of(DENOISER, ()) is PackageOrigin.SHIPPED
    open_sidecar(DENOISER, Accelerator.CPU, settings())
    copy = shutil.copytree(DENOISER, tmp_path / DENOISER.name)
    with pytest.raises(ModelPackageError, match="not signed"):
        open_sidecar(copy, Accelerator.CPU, settings())
