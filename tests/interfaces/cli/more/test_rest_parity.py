"""What the command line and the pages can do, programs can do over REST, or the reason why not stands here."""

from __future__ import annotations

from typing import Any

from tests.interfaces.cli.test_rest_parity import PAGES, PATHS


def offered(stage: Any) -> set[str]:
    from miqa_node.interfaces.web.app import create_app

    paths = create_app(stage.services).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_the_paths_exist(stage: Any) -> None:
    assert {*PATHS.values(), *PAGES.values()} <= offered(stage)
