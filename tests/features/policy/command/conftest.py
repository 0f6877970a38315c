"""The command line and a node's folder with images in it, as in ``tests/interfaces/cli``."""

from tests.interfaces.cli.conftest import cli, data_dir, stage

__all__ = ["cli", "data_dir", "stage"]
