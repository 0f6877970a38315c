"""The parts of a node: which there are, when they start and in which processes, and what becomes of a broken one."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.role import NodeRole
from miqa_node.errors import SettingsError
from miqa_node.node import Node
from miqa_node.parts import PARTS, PartContext, PartKind, StartMoment
from tests.conftest import free_port
from tests.node.test_node import settings_in

ORDER = {
    StartMoment.RECORDING: ["audit", "audit_sending", "erasures"],
    StartMoment.WORKING: [
        *("amending", "better_copies", "counting", "indexing", "learned_rooms", "mending", "monthly_report"),
        *("notices", "patient_settings", "phantom_concerns", "prediction_watch", "series", "studies", "usual_ranges"),
    ],
    StartMoment.DELIVERING: ["archives", "destinations", "retention"],
    StartMoment.SERVING: ["certificates", "pilot_moves", "pseudonym_watch", "web"],
}
EVERYWHERE = {"audit", "erasures", "retention", "certificates", "pilot_moves", "pseudonym_watch", "web"}
"""Retention frees space for images that come; its thread runs where images are judged."""


def test_parts_start_in_their_order() -> None:
    kinds = PARTS.all().values()
    assert {moment: [kind.name for kind in kinds if kind.moment is moment] for moment in StartMoment} == ORDER
    assert list(PARTS.all()) == [kind.name for kind in kinds]


@pytest.mark.parametrize("role", NodeRole)
def test_a_process_has_the_parts_of_its_role(role: NodeRole) -> None:
    names = {kind.name for kind in PARTS.all().values() if kind.runs_in(role)}
    assert names == (set(PARTS.all()) if role.works else EVERYWHERE)


class BrokenPartError(RuntimeError):
    """What a part of another distribution raises."""


def test_a_node_with_a_part_that_cannot_be_opened_holds_no_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_context: PartContext) -> Any:
        raise BrokenPartError

    kinds, port = dict(PARTS.all()), free_port()
    monkeypatch.setattr(PARTS, "all", lambda: {**kinds, "broken": PartKind("broken", fail)})
    with pytest.raises(BrokenPartError):
        Node(settings_in(tmp_path, web={"port": port}))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", port))


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        with pytest.raises(SettingsError, match="The web interface cannot listen"):
            Node(settings_in(tmp_path, web={"host": "127.0.0.1", "port": listening.getsockname()[1]}))
