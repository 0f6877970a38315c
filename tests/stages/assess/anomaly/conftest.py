"""Fixtures of the anomaly tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a package that knows what is ordinary; needs scikit-learn once, to be taught. Copy it to change it."""
    pytest.importorskip("sklearn")
    from tests.stages.assess.anomaly.making import taught_package

    return taught_package(tmp_path_factory.mktemp("taught") / "tiny-1.0.0")
