"""The reference pages say everything that the program can do, and what is made from it is up to date."""

from __future__ import annotations

from miqa_node.features.worklist.api.worklist import WorklistQuery
from tests.interfaces.cli.test_docs import page
from tests.web.staging import Stage


def test_every_operation_and_filter_is_in_the_reference(stage: Stage) -> None:
    from miqa_node.interfaces.web.app import create_app

    text = page("api.md")
    for path, methods in create_app(stage.services).openapi()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in text
    assert [name for name in WorklistQuery.model_fields if f"`{name}`" not in text] == []
