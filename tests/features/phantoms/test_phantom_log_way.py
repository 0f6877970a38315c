# ruff: noqa: F401, F811 - fixtures of another folder are imported by name
"""Values of phantoms on the way of a series: written with its verdict, replaced, withdrawn and brought back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings import load_settings
from miqa_node.errors import NotFoundError, ResourcesError
from miqa_node.features.backup import work as backup
from miqa_node.features.phantoms import effect, statement
from miqa_node.features.phantoms.history import ScanKey
from miqa_node.features.phantoms.measuring import measure_phantom
from miqa_node.features.phantoms.rows import log, records, scans
from miqa_node.features.phantoms.tables import phantom_scans, phantom_values
from miqa_node.features.phantoms.values import PhantomReadings
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.parts import PartContext
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.work.queue import migrate_queue
from miqa_node.runtime.workers.pool import WorkerPool
from tests.features.phantoms.test_phantoms import acr, judge_again, remove_files, rig, say
from tests.interfaces.cli.conftest import Ran
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig

pytestmark = pytest.mark.more

KEY = ScanKey(making.STUDY, making.SERIES, 0)


def arrive(rig: Rig, folder: Path, slices: int = 11) -> InstanceDigest:
    """A phantom of MR that is judged."""
    rig.receive(*making.write_series(folder, acr(slices), "MR"))
    [anchor] = rig.look(90.0)
    rig.finish(anchor)
    return anchor


def name_kind(rig: Rig, kind: str = "acr_mr_large") -> None:
    with rig.database.begin() as transaction:
        statement.name_kind(transaction, rig.jobs, making.SERIES, making.STUDY, kind, "mara", rig.now)


def kinds(rig: Rig) -> list[tuple[str, bool]]:
    """Kind of each scan, and whether it counts."""
    with rig.database.begin() as transaction:
        of = phantom_scans.c
        rows = transaction.execute(sa.select(of.kind, of.withdrawn_at).order_by(of.stack))
        return [(row.kind, row.withdrawn_at is None) for row in rows]


def count_values(rig: Rig) -> int:
    with rig.database.begin() as transaction:
        return transaction.execute(sa.select(sa.func.count()).select_from(phantom_values)).scalar_one()


def test_a_person_names_the_kind_and_it_is_measured_as_one(rig: Rig, tmp_path: Path) -> None:
    arrive(rig, tmp_path / "s")
    with rig.database.begin() as transaction, pytest.raises(NotFoundError, match="kind catphan"):
        statement.name_kind(transaction, rig.jobs, making.SERIES, making.STUDY, "catphan", "mara", rig.now)
    name_kind(rig)
    judge_again(rig)
    assert kinds(rig) == [("acr_mr_large", True)]
    with rig.database.begin() as transaction:
        [one] = log.all_of(transaction)
        values = log.values_of(transaction, KEY)
    assert one.last.key == KEY
    assert values
    assert all((value.value is None) == bool(value.reason) for value in values)
    assert rig.jobs.digests == []


def test_late_slices_replace_the_values(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", acr(11), "MR")
    rig.receive(*paths[:10])
    rig.finish(rig.look(90.0)[0])
    name_kind(rig)
    judge_again(rig)
    before = count_values(rig)
    with rig.database.begin() as transaction:
        records.sign(transaction, KEY, "mara", "", rig.now)
    rig.receive(paths[10])
    [late] = rig.look(90.0)
    rig.finish(late)
    assert kinds(rig) == [("acr_mr_large", True)]
    assert count_values(rig) == before
    with rig.database.begin() as transaction:
        [one] = log.all_of(transaction)
    assert (one.last.digest, [signature.is_of_before for signature in one.last.signatures]) == (late, [True])


@pytest.mark.parametrize("gone", [False, True], ids=["files here", "files gone"])
def test_this_is_a_patient_withdraws_values_and_back_brings_them(rig: Rig, tmp_path: Path, gone: bool) -> None:
    arrive(rig, tmp_path / "s")
    name_kind(rig)
    judge_again(rig)
    values = count_values(rig)
    if gone:
        remove_files(rig)
    for is_phantom in (False, True):
        say(rig, is_phantom=is_phantom)
        judge_again(rig)
        assert kinds(rig) == [("acr_mr_large", is_phantom)]
        assert count_values(rig) == values, "never deleted"


def test_a_kind_that_is_named_while_the_series_is_measured_is_not_lost(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = measure_phantom

    def measure_slowly(*arguments: object) -> tuple[PhantomReadings, ...]:
        with rig.database.begin() as transaction:
            scans.name_kind(transaction, making.STUDY, making.SERIES, "acr_mr_large", "mara", rig.now)
        return measure(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(effect, "measure_phantom", measure_slowly)
        anchor = arrive(rig, tmp_path / "s")
    assert rig.jobs.digests == [anchor]
    judge_again(rig)
    assert kinds(rig) == [("acr_mr_large", True)]
    assert rig.jobs.digests == []


def test_a_process_that_dies_between_measuring_and_writing_leaves_nothing_half(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(transaction: Transaction, *_: object) -> None:
        transaction.execute(sa.insert(phantom_values).values(unwritten()))
        raise Killed

    rig.receive(*making.write_series(tmp_path / "s", acr(11), "MR"))
    [anchor] = rig.look(90.0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(scans, "replace_scans", die)
        rig.pipeline.judge(anchor)
    assert (kinds(rig), count_values(rig)) == ([], 0)
    rig.finish(anchor)
    assert len(kinds(rig)) == 1


def unwritten() -> dict[str, object]:
    row: dict[str, object] = {"study_instance_uid": making.STUDY, "series_instance_uid": making.SERIES, "stack": 0}
    return row | {"name": "x", "place": 0, "unit": "1", "reading": {}}


def test_a_measure_that_fails_keeps_no_series_from_its_verdict_and_a_lack_of_resources_does(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> tuple[PhantomReadings, ...]:
        raise ZeroDivisionError

    def lack(*_: object) -> tuple[PhantomReadings, ...]:
        raise ResourcesError("The disk is full.")

    rig.receive(*making.write_series(tmp_path / "s", acr(11), "MR"))
    [anchor] = rig.look(90.0)
    monkeypatch.setattr(effect, "measure_phantom", lack)
    with pytest.raises(ResourcesError):
        rig.pipeline.judge(anchor)
    monkeypatch.setattr(effect, "measure_phantom", fail)
    rig.finish(anchor)
    assert (len(kinds(rig)), count_values(rig)) == (1, 0)


def test_the_picture_of_a_slice_is_there_until_its_file_is_gone(rig: Rig, pool: WorkerPool, tmp_path: Path) -> None:
    anchor = arrive(rig, tmp_path / "s")
    name_kind(rig)
    judge_again(rig)
    settings, node = load_settings(node={"data_dir": tmp_path}), cast("PartContext", SimpleNamespace(queue=rig.jobs))
    services = WebServices(rig.database, rig.objects, settings, list, decode=pool.decode, node=node)
    client = TestClient(create_app(services), base_url="http://localhost", client=("127.0.0.1", 1))
    picture = client.get(f"/phantoms/slices/{anchor}.png")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    with rig.database.begin() as transaction:
        [one] = log.all_of(transaction)
    remove_files(rig)
    assert client.get(f"/phantoms/slices/{anchor}.png").status_code == 410
    page = client.get(f"/phantoms/log/{one.history}").text
    assert "The files of this scan are not here any more" in page
    assert "/phantoms/slices/" not in page
    body = {"kind": "acr_mr_medium", "study_instance_uid": making.STUDY, "actor": "mara"}
    assert client.post(f"/api/v1/phantoms/{making.SERIES}/kind", json=body).status_code == 200
    assert client.post(f"/api/v1/phantoms/{making.SERIES}/kind", json=body | {"kind": "x"}).status_code == 404


def test_commands_print_sign_limit_and_change(pool: WorkerPool, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    rig = Rig(folder, pool)
    anchor = arrive(rig, tmp_path / "s")
    migrate_queue(rig.database)
    where = ("--data-dir", folder)
    of = ("--study", making.STUDY, "--as", "mara", *where)
    assert cli("phantoms", "kind", making.SERIES, "acr_mr_large", *of).code == 0
    assert cli("phantoms", "kind", making.SERIES, "no_such_kind", *of).code != 0
    rig.pipeline.judge(anchor)
    [row] = cli("phantoms", "log", "--json", *where).json["items"]
    assert row["kind"] == "acr_mr_large"
    assert row["history"] in cli("phantoms", "log", *where).out
    assert cli("phantoms", "sign", making.SERIES, *of, "--comment", "weekly").code == 0
    assert cli("phantoms", "limits", row["history"], "piu_percent", "--low", "80", "--as", "mara", *where).code == 0
    assert cli("phantoms", "change", row["history"], "2026-01-05", "new coil", "--as", "mara", *where).code == 0
    [detail] = cli("phantoms", "values", row["history"], "--json", *where).json
    assert [one["comment"] for one in detail["scans"][0]["signatures"]] == ["weekly"]
    assert [one["low"] for one in detail["limits"]] == [80.0]
    assert [one["what"] for one in detail["machine_changes"]] == ["new coil"]
    assert cli("phantoms", "values", *where).out.startswith("acquired_at,station,")
    assert "measured again since" not in cli("phantoms", "log", *where).out
    name_kind(rig)
    judge_again(rig)
    assert "mara (measured again since)" in cli("phantoms", "log", *where).out
    rig.database.close()


def test_a_backup_brings_the_log(rig: Rig, tmp_path: Path) -> None:
    arrive(rig, tmp_path / "s")
    name_kind(rig)
    judge_again(rig)
    migrate_queue(rig.database)
    with rig.database.begin() as transaction:
        records.sign(transaction, KEY, "mara", "weekly", rig.now)
        [before] = log.all_of(transaction)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    backup.back_up(rig.database, rig.objects, rig.folder, tmp_path / "backup")
    backup.restore(
        tmp_path / "backup", elsewhere, open_objects("", elsewhere / "objects", 0, 1 << 20), with_database=True
    )
    with closing(Database(f"sqlite:///{elsewhere / 'miqa.sqlite'}")) as restored, restored.begin() as transaction:
        [after] = log.all_of(transaction)
        assert log.values_of(transaction, KEY)
    assert after == before
