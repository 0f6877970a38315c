"""What the command line and the pages can do, programs can do over REST, or the reason why not stands here."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.routing import APIRoute
from typer.main import get_command

from miqa_node.interfaces.cli.command import commands_of
from tests.conftest import ROOT
from tests.release import tell

DELIVERY = "POST /api/v1/deliveries/{delivery_id}/{action}"
APPRAISAL = "POST /api/v1/limits/appraisals"
ACCOUNT = "POST /api/v1/accounts/{name}/{action}"
PHANTOM = "POST /api/v1/phantoms/{series_uid}"
PATHS: dict[str, str] = {
    "analysis export": "GET /api/v1/analysis/views/{view}.csv",
    "analysis import": "POST /api/v1/analysis/reject-logs",
    "analysis logs": "GET /api/v1/analysis/reject-logs",
    "analysis mappings": "GET /api/v1/analysis/reject-log-mappings",
    "analysis model": "GET /api/v1/analysis/model",
    "analysis rejects": "GET /api/v1/analysis",
    "analysis remove-log": "POST /api/v1/analysis/reject-logs/{log_id}/remove",
    "analysis report": "POST /api/v1/analysis/reports/{month}",
    "audit show": "GET /api/v1/audit",
    "deliveries cancel": DELIVERY,
    "deliveries hold": DELIVERY,
    "deliveries list": "GET /api/v1/deliveries",
    "deliveries release": DELIVERY,
    "deliveries resend": DELIVERY,
    "deliveries show": "GET /api/v1/deliveries/{delivery_id}",
    "doctor": "GET /api/v1/operations",
    "explain": "GET /api/v1/instances/{digest_or_uid}",
    "labels list": "GET /api/v1/analysis/labels",
    "models history": "GET /api/v1/models/history",
    "phantoms change": "POST /api/v1/phantoms/log/{history}/changes",
    "phantoms kind": "POST /api/v1/phantoms/{series_uid}/kind",
    "phantoms limits": "POST /api/v1/phantoms/log/{history}/limits",
    "phantoms list": "GET /api/v1/phantoms",
    "phantoms log": "GET /api/v1/phantoms/log",
    "phantoms patient": PHANTOM,
    "phantoms phantom": PHANTOM,
    "phantoms sign": "POST /api/v1/phantoms/{series_uid}/signature",
    "phantoms values": "GET /api/v1/phantoms/log.csv",
    "ranges confirm": "POST /api/v1/ranges/{baseline}/{decision}",
    "ranges list": "GET /api/v1/ranges",
    "ranges show": "GET /api/v1/ranges/{baseline}",
    "ranges withdraw": "POST /api/v1/ranges/{baseline}/{decision}",
    "reassess": "POST /api/v1/reassessments",
    "retention clear": "POST /api/v1/holds/{hold_id}/clear",
    "retention fetch": "POST /api/v1/retrievals",
    "retention hold": "POST /api/v1/holds",
    "retention holds": "GET /api/v1/holds",
    "retention plan": "GET /api/v1/retention",
    "rooms": "POST /api/v1/limits/rooms/seen",
    "send": "POST /api/dicom-web/studies",
    "silence": "GET /api/v1/limits/silence",
    "tune": APPRAISAL,
    "users add": "POST /api/v1/accounts",
    "users disable": ACCOUNT,
    "users enable": ACCOUNT,
    "users link": "POST /api/v1/accounts/{name}/link",
    "users list": "GET /api/v1/accounts",
    "users reset-factor": ACCOUNT,
    "users role": "POST /api/v1/accounts/{name}/role",
    "users token add": "POST /api/v1/tokens",
    "users token list": "GET /api/v1/tokens",
    "users token revoke": "POST /api/v1/tokens/{token_id}/revoke",
    "users token rotate": "POST /api/v1/tokens/{token_id}/rotate",
    "worklist assign": "POST /api/v1/worklist/{study_uid}/assign",
    "worklist conflicts": "GET /api/v1/conflicts",
    "worklist settle": "POST /api/v1/conflicts/{study_uid}/resolve",
    "worklist claim": "POST /api/v1/worklist/{study_uid}/claim",
    "worklist comment": "POST /api/v1/worklist/{study_uid}/comments",
    "worklist correct": "POST /api/v1/instances/{digest}/uids",
    "worklist list": "GET /api/v1/worklist",
    "worklist release": "POST /api/v1/worklist/{study_uid}/release",
    "worklist reopen": "POST /api/v1/worklist/{study_uid}/reopen",
    "worklist resolve": "POST /api/v1/worklist/{study_uid}/resolve",
    "worklist show": "GET /api/v1/worklist/{study_uid}",
    "worklist views": "GET /api/v1/views",
}
FILES = "works on files of the machine that it runs on"
SERVER = "starts, changes or checks the installation itself, also while no node is running"
CHECKED = "runs the package's golden inputs on this machine's processor before anything changes"
PROOF = "erases for ever and writes a signed proof; meant for a person at the machine"
LOCAL: dict[str, str] = {
    **dict.fromkeys(
        ("run", "migrate", "selftest", "destinations plan", "destinations try", "backup", "restore", "fsck"), SERVER
    ),
    **dict.fromkeys(
        (
            "assess",
            "enhance",
            "phantom",
            "deidentify",
            "calibrate",
            "models certify",
            "labels export",
            "labels import",
            "policy convert",
            "policy try",
        ),
        FILES,
    ),
    "retention confirm": "vouches for the clock of the machine that it runs on",
    **dict.fromkeys(("audit export", "audit verify"), FILES + ", apart from the node that it checks"),
    **dict.fromkeys(("erase patient", "erase list", "erase proof", "erase verify"), PROOF),
    **dict.fromkeys(("models activate", "models rollback", "models shadow", "models compare"), CHECKED),
    **dict.fromkeys(
        (
            f"models {verb}"
            for verb in ("list", "check", "card", "certificate", "seal", "pack", "sign", "verify", "baseline")
        ),
        FILES,
    ),
    **dict.fromkeys((f"study {verb}" for verb in ("plan", "collect", "report", "list")), FILES),
}
"""Verbs without a path, each with the reason; those of ``train`` and ``evaluate`` read data sets and packages."""

PAGES: dict[str, str] = {
    "POST /analysis/logs": "POST /api/v1/analysis/reject-logs",
    "POST /analysis/logs/preview": "POST /api/v1/analysis/reject-logs",
    "POST /analysis/logs/{log_id}/remove": "POST /api/v1/analysis/reject-logs/{log_id}/remove",
    "POST /analysis/reports/{month}": "POST /api/v1/analysis/reports/{month}",
    "POST /look": "POST /predict",
    "POST /operations": "POST /api/v1/destinations/{destination}/{action}",
    "POST /people": "POST /api/v1/accounts",
    "POST /people/change": ACCOUNT,
    "POST /people/tokens": "POST /api/v1/tokens",
    "POST /people/tokens/revoke": "POST /api/v1/tokens/{token_id}/revoke",
    "POST /people/tokens/rotate": "POST /api/v1/tokens/{token_id}/rotate",
    "POST /phantoms": PHANTOM,
    "POST /phantoms/kinds": "POST /api/v1/phantoms/{series_uid}/kind",
    "POST /phantoms/log/{history}/changes": "POST /api/v1/phantoms/log/{history}/changes",
    "POST /phantoms/log/{history}/changes/{change_id}/remove": (
        "POST /api/v1/phantoms/log/{history}/changes/{change_id}/remove"
    ),
    "POST /phantoms/log/{history}/limits": "POST /api/v1/phantoms/log/{history}/limits",
    "POST /phantoms/signatures": "POST /api/v1/phantoms/{series_uid}/signature",
    "POST /ranges/{baseline}/{decision}": "POST /api/v1/ranges/{baseline}/{decision}",
    "POST /studies/{study_uid}/assign": "POST /api/v1/worklist/{study_uid}/assign",
    "POST /studies/{study_uid}/claim": "POST /api/v1/worklist/{study_uid}/claim",
    "POST /studies/{study_uid}/comments": "POST /api/v1/worklist/{study_uid}/comments",
    "POST /studies/{study_uid}/fetch": "POST /api/v1/retrievals",
    "POST /studies/{study_uid}/marks": "POST /api/v1/instances/{digest}/marks",
    "POST /studies/{study_uid}/patients": "POST /api/v1/conflicts/{study_uid}/resolve",
    "POST /studies/{study_uid}/reassess": "POST /api/v1/reassessments",
    "POST /studies/{study_uid}/release": "POST /api/v1/worklist/{study_uid}/release",
    "POST /studies/{study_uid}/reopen": "POST /api/v1/worklist/{study_uid}/reopen",
    "POST /studies/{study_uid}/resolve": "POST /api/v1/worklist/{study_uid}/resolve",
    "POST /tuning/confirm": "POST /api/v1/limits/{number}/confirm",
    "POST /tuning/learn": "POST /api/v1/limits/rooms/learn",
    "POST /tuning/seen": "POST /api/v1/limits/rooms/seen",
    "POST /tuning/silence": "POST /api/v1/limits/silence/end",
    "POST /tuning/withdraw": "POST /api/v1/limits/withdraw",
    "POST /worklist/bulk": "POST /api/v1/worklist/{study_uid}/resolve",
    "POST /worklist/bulk/undo": "POST /api/v1/worklist/{study_uid}/reopen",
    "POST /worklist/views": "PUT /api/v1/views/{name}",
    "POST /worklist/views/remove": "POST /api/v1/views/{name}/remove",
}
ONESELF = "signs a person in or out, or changes that person's own secrets"
LOOKING = "a person must have looked at the image, or be in the room"
PEOPLE_ONLY: dict[str, str] = {
    "POST /policy/trial": "changes nothing; `miqa-node policy try` has it as JSON",
    "POST /rooms/{station}/acknowledge": LOOKING,
    "POST /readings/{digest}": LOOKING,
    "POST /reader-studies/{name}": LOOKING,
}
"""Changes of pages without a path, each with the reason; for what begins with these ONESELF is the reason."""
OWN = ("/sign-in", "/sign-out", "/sign-on", "/welcome", "/account")


def verbs() -> set[str]:
    """All commands that do something, without those that only hold others, train or evaluate."""
    from miqa_node.interfaces.cli.app import app

    named = {path.removeprefix("miqa-node "): one for path, one in commands_of("miqa-node", get_command(app))}
    return {
        path
        for path, one in named.items()
        if not getattr(one, "commands", None) and path.partition(" ")[0] not in ("train", "evaluate", "miqa-node")
    }


def changes_of_pages() -> set[str]:
    """What the node's own pages can change."""
    from miqa_node.interfaces.web.page import PAGES as SEAM

    return {
        f"{method} {route.path.replace(':path', '')}"
        for page in SEAM.all().values()
        if not page.rest
        for route in page.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if method not in ("GET", "HEAD")
    }


def offered(stage: Any) -> set[str]:
    from miqa_node.interfaces.web.app import create_app

    paths = create_app(stage.services).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_every_verb_has_a_path_or_is_local_for_a_reason() -> None:
    tell(f"name the path of `{verb}` in PATHS, or why it has none in LOCAL" for verb in verbs() - {*PATHS, *LOCAL})
    assert set(PATHS) | set(LOCAL) <= verbs()
    assert not set(PATHS) & set(LOCAL)
    assert all(LOCAL.values())


def test_every_change_on_a_page_has_a_path_or_is_for_people_only() -> None:
    changes = {one for one in changes_of_pages() if not one.partition(" ")[2].startswith(OWN)}
    tell(
        f"name the path of {one} in PAGES, or why it has none in PEOPLE_ONLY"
        for one in changes - {*PAGES, *PEOPLE_ONLY}
    )
    assert set(PAGES) | set(PEOPLE_ONLY) <= changes


def test_commands_without_a_path_are_in_the_documentation() -> None:
    rows = (ROOT / "docs/reference/api.md").read_text("utf-8").partition("| Commands | Why")[2].partition("\n\n")[0]
    for verb in LOCAL:
        group, _, last = verb.rpartition(" ")
        assert any(f"`{name}`" in rows for name in (verb, f"{group} …", *([last] if group == "models" else []))), verb


@pytest.mark.more
def test_the_paths_exist(stage: Any) -> None:
    assert {*PATHS.values(), *PAGES.values()} <= offered(stage)
