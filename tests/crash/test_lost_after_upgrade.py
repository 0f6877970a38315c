"""Results of earlier versions are lost: what was sent never differs, what was not is sent, or said to be lost."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from tests.conftest import ROOT
from tests.crash.faults import marks
from tests.crash.station import LIMIT_S
from tests.crash.test_upgrade import OUT_OF_RESOURCES, SUCCESS, Site
from tests.installation import EARLIER, Installation, built, sources_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.timeout(3600), *marks]  # the first one counts; each of many waits has a deadline of its own


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("present")
    return Installation(folder / "miqa", *built([ROOT], folder))


@pytest.fixture
def site(tmp_path: Path, samples: Path) -> Iterator[Site]:
    site = Site(tmp_path, samples)
    yield site
    site.pacs.close()


def recorded(site: Site) -> dict[str, tuple[str, str | None]]:
    """The key and digest of each result, by its UID."""
    database = Database(f"sqlite:///{site.data / 'miqa.sqlite'}")
    try:
        with database.begin() as transaction:
            rows = transaction.execute(sa.text("SELECT * FROM results")).mappings().all()  # of any version
            return {row["sop_instance_uid"]: (row["object_key"], row.get("sha256")) for row in rows}
    finally:
        database.close()


def states(site: Site, uids: set[str]) -> dict[str, str]:
    """The state of the delivery of each result."""
    database = Database(f"sqlite:///{site.data / 'miqa.sqlite'}")
    try:
        with database.begin() as transaction:
            of = t.deliveries.c
            query = sa.select(of.sop_instance_uid, of.state).where(of.sop_instance_uid.in_(uids))
            return {row.sop_instance_uid: row.state for row in transaction.execute(query)}
    finally:
        database.close()


def test_what_was_sent_never_differs(site: Site, present: Installation, tmp_path: Path) -> None:
    earlier = Installation(tmp_path / "miqa", *built([sources_of(EARLIER, tmp_path / "sources")], tmp_path))
    with site.running(earlier) as node:
        sent = site.send(node, 2)
        site.wait_for_reports(sent)
        site.pacs.answer = lambda: OUT_OF_RESOURCES
        waiting = site.send(node, 2)
        site.wait_for_verdicts(earlier, waiting)
    before = recorded(site)
    arrived = {uid: sha256(data).hexdigest() for uid, data in site.pacs.files.items()}
    files = {uid: site.data / "objects" / key for uid, (key, _) in before.items()}
    whole = {uid: sha256(path.read_bytes()).hexdigest() for uid, path in files.items()}
    for path in files.values():
        path.unlink()
    site.settings |= {"MIQA_NODE__NAME": "another", "MIQA_NODE__LANGUAGE": "de", "TZ": "Asia/Tokyo"}
    site.pacs.answer = lambda: SUCCESS
    with site.running(present) as node:
        present.run("fsck", "--deep", "--data-dir", str(site.data), settings=site.settings)
        unsent = set(files) - set(arrived)
        done = {"SENT", "COMMITTED", "FAILED"}
        are_done = lambda: set(states(site, unsent).values()) <= done  # noqa: E731
        wait_until(are_done, LIMIT_S, "each is sent, or said to be lost", look_s=0.5)
        again = site.send(node, 1)
        site.wait_for_reports(again)
        lost = [uid for uid, state in states(site, unsent).items() if state == "FAILED"]
        if lost:  # judged again it is told, as another object
            site.command(present, "reassess", *waiting, "--yes", "--as", "mara")
            wait_until(lambda: set(waiting) <= set(site.pacs.reports), LIMIT_S, "the archive has a report of each")
    after = recorded(site)
    assert not site.pacs.changed
    assert {uid: after[uid][1] for uid in arrived if uid in before} == {
        uid: before[uid][1] for uid in arrived if uid in before
    }, "the digest of what was sent stays"
    for uid in before.keys() & arrived.keys():
        assert not files[uid].exists() or sha256(files[uid].read_bytes()).hexdigest() == whole[uid]
    for uid, data in site.pacs.files.items():
        if uid in arrived:
            assert sha256(data).hexdigest() == arrived[uid]
