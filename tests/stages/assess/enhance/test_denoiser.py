"""The shipped denoiser gains what its card says, keeps edges and levels, and is checked before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from miqa_node.core.settings import Accelerator, load_settings, share_dir
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.enhance.denoiser import DenoiserPackage, newest_denoiser, open_denoiser

PACKAGE = share_dir("models") / "denoiser-0.2.1"


@pytest.fixture(scope="module")
def denoiser() -> DenoiserPackage:
    return newest_denoiser(load_settings())


def test_an_altered_package_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, folder)
    with (folder / "golden" / "chest.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelPackageError, match="not the file that the card was written for"):
        open_denoiser(folder, Accelerator.CPU, load_settings().assess)
