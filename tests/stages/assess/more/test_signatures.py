"""A package that nobody trusted signed, or that was changed since, judges nothing where signatures are required."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from miqa_node.core.settings import Accelerator, share_dir
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.sidecars import open_sidecar
from miqa_node.stages.assess.signatures import PackageOrigin, origin_of
from tests.stages.assess.test_signatures import settings

DENOISER = next(share_dir("models").glob("denoiser-*"))


def test_packages_of_other_tasks_need_a_signature_too_but_not_where_they_were_shipped(tmp_path: Path) -> None:
    assert origin_of(DENOISER, ()) is PackageOrigin.SHIPPED
    open_sidecar(DENOISER, Accelerator.CPU, settings())
    copy = shutil.copytree(DENOISER, tmp_path / DENOISER.name)
    with pytest.raises(ModelPackageError, match="not signed"):
        open_sidecar(copy, Accelerator.CPU, settings())
