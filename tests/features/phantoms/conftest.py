"""The command line and the pages, as their own tests run them."""

from tests.interfaces.cli.conftest import cli
from tests.web.conftest import app, client, connect, logged, quick_passwords, stage

__all__ = ["app", "cli", "client", "connect", "logged", "quick_passwords", "stage"]
