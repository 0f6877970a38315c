"""Readers who answer at the same moment: an image is read a second time by one of them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from fastapi.testclient import TestClient

from miqa_node.core.domain.label import LabelOrigin
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store.database import Database
from tests.web.people import ORIGIN
from tests.web.staging import NOW, Stage

READERS = 8


def test_of_readers_who_answer_at_the_same_moment_one_is_the_second_reader(stage: Stage, database: Database) -> None:
    stage = replace(stage, services=replace(stage.services, database=database))
    _, digest = stage.add(1)
    with database.begin() as transaction:
        label_requests.ask(transaction, digest, LabelOrigin.SECOND_READING, 1.0, NOW, "anna")
    app, together = create_app(stage.services), Barrier(READERS)

    def answer(number: int) -> int:
        with TestClient(app, "http://localhost:8080", client=("127.0.0.1", 50000), follow_redirects=False) as client:
            form = re.search(r'name="csrf" value="([^"]+)"', client.get("/readings").text)
            assert form is not None
            together.wait(timeout=60)
            data = {"actor": f"reader {number}", "answer": "bad", "csrf": form[1]}
            return client.post(f"/readings/{digest}", data=data, headers=ORIGIN).status_code

    with ThreadPoolExecutor(READERS) as pool:
        statuses = sorted(pool.map(answer, range(READERS)))

    assert statuses == [303] + [409] * (READERS - 1)
    with database.begin() as transaction:
        assert len(labels.of_images(transaction, [digest])) == 1
