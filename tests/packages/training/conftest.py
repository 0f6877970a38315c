"""Networks of tests learn on one thread each: the gate runs a test process on every core already."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.interfaces.cli.conftest import cli

__all__ = ["cli", "one_thread"]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
