"""What the command line can do with the worklist, deliveries and the analysis, programs can do over REST."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from miqa_node.cli import analysis, deliveries, worklist

PATHS: dict[str, dict[str, str]] = {
    "worklist": {
        "list": "GET /api/v1/worklist",
        "views": "GET /api/v1/views",
        "show": "GET /api/v1/worklist/{study_uid}",
        "claim": "POST /api/v1/worklist/{study_uid}/claim",
        "assign": "POST /api/v1/worklist/{study_uid}/assign",
        "release": "POST /api/v1/worklist/{study_uid}/release",
        "comment": "POST /api/v1/worklist/{study_uid}/comments",
        "resolve": "POST /api/v1/worklist/{study_uid}/resolve",
        "reopen": "POST /api/v1/worklist/{study_uid}/reopen",
        "correct": "POST /api/v1/instances/{digest}/uids",
    },
    "deliveries": {
        "list": "GET /api/v1/deliveries",
        "show": "GET /api/v1/deliveries/{delivery_id}",
        **dict.fromkeys(("hold", "release", "resend", "cancel"), "POST /api/v1/deliveries/{delivery_id}/{action}"),
    },
    "analysis": {
        "rejects": "GET /api/v1/analysis",
        "model": "GET /api/v1/analysis/model",
        "report": "GET /api/v1/analysis/reports/{month}.{form}",
        "export": "GET /api/v1/analysis/views/{view}.csv",
    },
}
EXCEPTIONS: dict[str, dict[str, str]] = {"worklist": {}, "deliveries": {}, "analysis": {}}
"""Verbs without a path, each with the reason."""

APPS: dict[str, typer.Typer] = {"worklist": worklist.app, "deliveries": deliveries.app, "analysis": analysis.app}


def verbs(app: typer.Typer) -> set[str]:
    return {str(one.name or getattr(one.callback, "__name__", "")) for one in app.registered_commands}


@pytest.mark.parametrize("command", APPS)
def test_every_verb_has_a_path_or_is_a_stated_exception(command: str) -> None:
    assert verbs(APPS[command]) == set(PATHS[command]) | set(EXCEPTIONS[command])


def test_the_paths_exist(stage: Any) -> None:
    from miqa_node.web.app import create_app

    paths = create_app(stage.services).openapi()["paths"]
    offered = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert {path for command in PATHS.values() for path in command.values()} <= offered
