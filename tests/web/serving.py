"""Pages and REST on a port of their own, for tests that need a real connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.settings import WebSettings, load_settings
from miqa_node.interfaces.web.app import WebServices, create_app
from miqa_node.interfaces.web.server import WebServer
from tests.pictures import picture_pixels
from tests.web.staging import Stage, phantom_png


@contextmanager
def serving(services: WebServices, settings: WebSettings | None = None) -> Iterator[str]:
    """The server's address."""
    server = WebServer(create_app(services), settings or load_settings(web={"port": 0}).web)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


@contextmanager
def serving_phantoms(stage: Stage, columns: int, rows: int) -> Iterator[str]:
    """The address of a server that shows the phantom of this size for every image."""
    gray = picture_pixels(phantom_png(), cv2.IMREAD_GRAYSCALE)
    display = cv2.resize(gray, (columns, rows)).astype(np.uint16) * 257
    image = Radiograph(stored=display, display=display, stored_range=(0, 65535), spacing_mm=None)
    path_of = stage.services.objects.local_path
    nothing = Path("decoded by this server")
    with pytest.MonkeyPatch.context() as patch, serving(replace(stage.services, decode=lambda _path: image)) as address:
        patch.setattr(
            stage.services.objects, "local_path", lambda key: nothing if key.startswith("instances/") else path_of(key)
        )
        yield address
