"""The command line, as its own tests run it."""

from tests.interfaces.cli.conftest import cli

__all__ = ["cli"]
