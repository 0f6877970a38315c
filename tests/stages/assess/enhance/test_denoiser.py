"""The shipped denoiser gains what its card says, keeps edges and levels, and is checked before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.settings import Accelerator, load_settings, share_dir
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.enhance.denoiser import DenoiserPackage, newest_denoiser, open_denoiser

PACKAGE = share_dir("models") / "denoiser-0.2.1"


@pytest.fixture(scope="module")
def denoiser() -> DenoiserPackage:
    return newest_denoiser(load_settings())


def test_odd_and_small_images_come_back_in_their_size(denoiser: DenoiserPackage) -> None:
    for shape in ((33, 47), (64, 513), (1, 1)):
        cleaned, _ = denoiser.graph.denoise(np.full(shape, 0.5, np.float32))
        assert cleaned.shape == shape


def test_an_altered_package_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, folder)
    with (folder / "golden" / "chest.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelPackageError, match="not the file that the card was written for"):
        open_denoiser(folder, Accelerator.CPU, load_settings().assess)
