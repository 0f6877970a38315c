"""Which images are judged again: every selector, by command and over REST."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.reassess.page.again import reassessment_of
from miqa_node.features.reassess.reassessment import Reassessment
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.work.queue import DurableQueue
from miqa_node.stages.units.rows import reassessments
from tests.features.reassess.page.test_reassess_page import keep_copy
from tests.interfaces.cli.conftest import Ran
from tests.parts import any_model
from tests.web.staging import Stage

# Arguments of the command, body over REST, images: those of the fixture, which were judged at 09:31 to 09:34.
SELECTORS: tuple[tuple[tuple[str, ...], dict[str, Any], set[int]], ...] = (
    (("1.2.3.1",), {"uids": ["1.2.3.1"]}, {1}),
    (("1.2.3.4.2",), {"uids": ["1.2.3.4.2"]}, {2}),
    (("1.2.3.4.5.3", "1.2.3.1"), {"uids": ["1.2.3.4.5.3", "1.2.3.1"]}, {1, 3}),
    (("--since", "2026-11-20T09:33:00+00:00"), {"since": "2026-11-20T09:33:00+00:00"}, {3, 4}),
    (("--until", "2026-11-20T09:32:00+00:00"), {"until": "2026-11-20T09:32:00+00:00"}, {1}),
    (("--verdict", "not_assessed"), {"verdict": ["NOT_ASSESSED"]}, {4}),
    (("--verdict", "review", "--verdict", "accept"), {"verdict": ["REVIEW", "ACCEPT"]}, {2, 3}),
    (("--package", "quality-0.2.0"), {"package": ["quality-0.2.0"]}, {2}),
    (("--package", "quality"), {"package": ["quality"]}, {1, 2, 3, 4}),
    (("--because", "could NOT be decoded"), {"because": "could NOT be decoded"}, {4}),
    (("--because", 'Röntgenröhre "B"'), {"because": 'Röntgenröhre "B"'}, {1}),
    (("--verdict", "reject", "--because", "decoded"), {"verdict": ["REJECT"], "because": "decoded"}, set()),
)


@pytest.fixture
def numbers(stage: Stage) -> dict[str, int]:
    """Four decided images by digest."""
    _, first = stage.add(1, Verdict.REJECT, text='Röntgenröhre "B" is worn')
    _, second = stage.add(2, Verdict.REVIEW)
    _, third = stage.add(3, Verdict.ACCEPT)
    _, fourth = stage.add(4, Verdict.REVIEW, text="The pixels could not be decoded: damaged")
    of, judged = t.dispositions.c, t.assessments.c
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.update(t.dispositions).where(of.digest == fourth).values(verdict="NOT_ASSESSED"))
        transaction.execute(sa.update(t.assessments).where(judged.digest == second).values(model_version="0.2.0"))
    return {first: 1, second: 2, third: 3, fourth: 4}


@pytest.mark.parametrize(("arguments", "body", "expected"), SELECTORS)
def test_a_selector_means_the_same_images_everywhere(
    cli: Callable[..., Ran],
    stage: Stage,
    data_dir: Path,
    numbers: dict[str, int],
    arguments: tuple[str, ...],
    body: dict[str, Any],
    expected: set[int],
) -> None:
    planned = cli("reassess", *arguments, "--json", "--data-dir", data_dir).json
    assert {numbers[one["digest"]] for one in planned["candidates"]} == expected
    assert (planned["queued"], planned["dry_run"]) == (0, True)
    services = stage.services
    service = Reassessment(services.database, services.objects, DurableQueue(services.database, lambda: "v"), any_model)
    services.made[reassessment_of] = service
    app = create_app(services)
    client = TestClient(app, base_url="http://localhost:8080", client=("127.0.0.1", 1))
    answer = client.post("/api/v1/reassessments", json=body)
    assert {numbers[one["digest"]] for one in answer.json()["candidates"]} == expected


@pytest.mark.parametrize("models", ["none", "missing", "broken"])
def test_nothing_is_judged_again_while_no_package_can_be_used(
    cli: Callable[..., Ran],
    stage: Stage,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: str,
) -> None:
    study, digest = stage.add(1)
    keep_copy(stage, digest)
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("MIQA_ASSESS__MODELS_DIR", str(folder))
    monkeypatch.setenv("MIQA_ASSESS__SHIPPED_PACKAGES", "false")
    if models == "missing":
        monkeypatch.setenv("MIQA_ASSESS__QUALITY_PACKAGE", "quality-1.0.0")
    if models == "broken":
        shutil.copytree(stage.services.settings.models_dir / "quality-0.9.3", folder / "quality-0.9.3")
        (folder / "quality-0.9.3" / "model.onnx").write_bytes(b"no graph")
    [planned] = cli("reassess", study, "--json", "--data-dir", data_dir).json["candidates"]
    assert planned["obstacle"].startswith("A model judged it, and none can be used now. ")
    refused = cli("reassess", study, "--yes", "--data-dir", data_dir)
    assert refused.code != 0
    assert "Nothing is judged again" in refused.err
    with stage.services.database.begin() as transaction:
        assert reassessments.count_waiting(transaction) == 0
