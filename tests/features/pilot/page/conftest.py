"""A store with images in it and the pages in front of it, as in ``tests/web``."""

from tests.web.conftest import app, client, connect, logged, quick_passwords, stage

__all__ = ["app", "client", "connect", "logged", "quick_passwords", "stage"]
