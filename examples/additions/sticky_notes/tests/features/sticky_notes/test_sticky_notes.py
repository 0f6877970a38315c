"""Sticky notes: answer on a study by page, REST and command, seen on its page and in its row, and erased."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.features.retention.rows import erasure
from miqa_node.features.sticky_notes import rows
from miqa_node.features.sticky_notes.tables import sticky_notes
from miqa_node.interfaces.cli.app import run
from tests.web.conftest import app, client, connect, logged, quick_passwords, stage
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import NOW, Stage, csrf

__all__ = ["app", "client", "connect", "logged", "quick_passwords", "stage"]


def leave(client: TestClient, study: str, text: str) -> int:
    form = {"csrf": csrf(client), "text": text, "actor": "anna"}
    return client.post(f"/sticky-notes/{study}", data=form, headers=ORIGIN).status_code


def test_a_note_is_left_on_a_study_and_seen_there_in_its_row_and_in_the_list(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2)
    assert leave(client, "1.2.3.1", "<look> at the side") == 303
    assert leave(client, "1.2.3.9", "of nothing") == 404
    assert leave(client, "1.2.3.1", "") == 422
    page = client.get("/studies/1.2.3.1").text
    assert "&lt;look&gt; at the side" in page
    assert "look&gt;" not in client.get("/studies/1.2.3.2").text
    assert client.get("/").text.count(">1 note<") == 1
    assert "at the side" in client.get("/sticky-notes").text


def test_a_list_reads_the_notes_of_all_rows_in_one_statement(stage: Stage, client: TestClient) -> None:
    for number in range(1, 4):
        stage.add(number)
        leave(client, f"1.2.3.{number}", "seen")
    statements: list[str] = []
    sa.event.listen(
        stage.services.database.engine, "checkout", lambda one, *_: one.set_trace_callback(statements.append)
    )
    assert client.get("/").text.count(">1 note<") == 3
    assert sum("sticky_notes" in one for one in statements) == 1


def test_programs_read_and_leave_notes(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    path = "/api/v1/sticky-notes/1.2.3.1"
    assert client.get(path).json() == []
    answer = client.post(path, json={"text": "look", "actor": "anna"})
    assert (answer.status_code, answer.json()["text"]) == (200, "look")
    assert client.get(path).json() == [answer.json()]


def test_who_only_looks_sees_notes_and_leaves_none(stage: Stage, connect: Callable[..., TestClient]) -> None:
    stage.add(1)
    viewer = signed_in(stage, connect, "vera", Role.VIEWER)
    assert "Sticky notes" not in viewer.get("/studies/1.2.3.1").text
    assert leave(viewer, "1.2.3.1", "look") == 403


def test_the_command_lists_what_it_added(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.add(1)
    where = ("--data-dir", str(stage.services.settings.node.data_dir), "--json")
    assert run(["sticky-notes", "add", "1.2.3.1", "look", "--as", "anna", *where]) == 0
    capsys.readouterr()
    assert run(["sticky-notes", "list", *where]) == 0
    [note] = json.loads(capsys.readouterr().out)
    assert (note["text"], note["actor"]) == ("look", "anna")


def test_an_erasure_takes_the_notes_of_the_patient_and_no_other(stage: Stage) -> None:
    """Also without the feature's line."""
    for number in (1, 2):
        study, _ = stage.add(number)
        with stage.services.database.begin() as transaction:
            rows.leave(transaction, study, f"about {number}", "anna", NOW)
    with stage.services.database.begin() as transaction:
        erasure.erase(transaction, "PID1", "request", "ada", NOW)
        assert transaction.execute(sa.select(sticky_notes.c.text)).scalars().all() == ["about 2"]
