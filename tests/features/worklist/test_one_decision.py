"""A decision, its labels and its rejection note name the same images, whatever is flagged meanwhile.

By the page, over REST, which sends no note, and by the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from miqa_node.core.domain.delivery import REJECTION
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.settings import load_settings
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.deliver.destinations import Destinations
from tests.interfaces.cli.conftest import Ran, cli
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

__all__ = ["cli"]

ARCHIVE = "ARCHIVE"
REASON = "111210"
WAYS = ("page", "rest", "command")


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Path:
    """The settings of a node with one archive that takes rejection notes."""
    url = "" if database.is_sqlite else database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    (tmp_path / "destinations.toml").write_text(
        f'[[destination]]\nname = "{ARCHIVE}"\nae_title = "{ARCHIVE}"\nhost = "127.0.0.1"\nport = 104\n'
        'objects = ["SR", "REJECTION"]\n'
    )
    file = tmp_path / "miqa.toml"
    file.write_text(f'[node]\ndata_dir = "{tmp_path}"\n[store]\ndatabase_url = "{url}"\n')
    return file


@pytest.fixture
def stage(database: Database, config: Path) -> Stage:
    settings = load_settings(config)
    archives = Destinations(settings.destinations_file)
    objects = DiskObjects(settings.objects_dir)
    services = WebServices(database, objects, settings, list, archives=lambda: archives.taking(REJECTION))
    return Stage(services, [])


@pytest.fixture
def decide(stage: Stage, config: Path, cli: Callable[..., Ran]) -> Mapping[str, Callable[[str], bool]]:
    """Reject a study in each way; tells whether it was decided, or refused because of another image."""
    client = TestClient(create_app(stage.services), "http://localhost:8080", client=("127.0.0.1", 1))
    token = csrf(client)

    def by_page(study: str) -> bool:
        form = {"resolution": "confirmed", "actor": "mara", "csrf": token, "reason": REASON, "sure": "true"}
        answer = client.post(
            f"/studies/{study}/resolve", data=form | {"archive": ARCHIVE}, headers=ORIGIN, follow_redirects=False
        )
        assert answer.status_code in (303, 409), answer.text
        return answer.status_code == 303

    def by_rest(study: str) -> bool:
        body = {"resolution": "confirmed", "actor": "mara", "reason": REASON}
        answer = client.post(f"/api/v1/worklist/{study}/resolve", json=body)
        assert answer.status_code in (200, 409), answer.text
        return answer.status_code == 200

    def by_command(study: str) -> bool:
        options = "--reason", REASON, "--archive", ARCHIVE, "--as", "mara", "--config", config
        ran = cli("worklist", "resolve", study, "rejected", *options)
        assert ran.code in (Exit.OK, Exit.CONFLICT), ran.err
        return ran.code == Exit.OK

    return {"page": by_page, "rest": by_rest, "command": by_command}


def put_file(stage: Stage, digest: InstanceDigest, number: int, study: str, sample: Dataset) -> None:
    """The file of the staged image ``number``, which the note names by its UID."""
    sample.SOPInstanceUID = sample.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.4.5.{number}")
    sample.StudyInstanceUID = study
    file = BytesIO()
    sample.save_as(file)
    stage.services.objects.put(original_key(digest), file.getvalue())


def named(stage: Stage, study: str) -> tuple[list[list[str]], list[str], list[list[str]]]:
    """The images of the decisions about a study, its labels and its rejection notes, by SOP Instance UID."""
    of, notes = tables.instances.c, tables.results.c
    with stage.services.database.begin() as transaction:
        rows = transaction.execute(sa.select(of.digest, of.sop_instance_uid).where(of.study_instance_uid == study))
        uids = {row.digest: row.sop_instance_uid for row in rows}
        decided = sa.select(tables.decisions.c.images).where(tables.decisions.c.study_instance_uid == study)
        decisions = [sorted(uids[one] for one in images) for images in transaction.execute(decided).scalars()]
        labelled = sorted(uids[one.digest] for one in labels.of_images(transaction, list(uids)))
        made = sa.select(notes.object_key).where(notes.kind == REJECTION, notes.digest.in_(uids))
        keys = transaction.execute(made).scalars().all()
    return decisions, labelled, [images_of(dcmread(BytesIO(stage.services.objects.get(key)))) for key in keys]


def images_of(note: Dataset) -> list[str]:
    evidence = (
        series for one in note.CurrentRequestedProcedureEvidenceSequence for series in one.ReferencedSeriesSequence
    )
    return sorted(image.ReferencedSOPInstanceUID for one in evidence for image in one.ReferencedSOPSequence)


@pytest.mark.parametrize("times", [6, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", WAYS)
def test_decision_and_note_name_the_same_images(
    stage: Stage, decide: Mapping[str, Callable[[str], bool]], samples: Path, way: str, times: int
) -> None:
    sample = dcmread(samples / "RG1_UNCR.dcm", stop_before_pixels=True)
    start = Barrier(2)

    def flag(number: int, study: int, wait: int) -> None:
        start.wait()
        for _ in range(wait):  # the other image comes at another moment of the decision each time
            with stage.services.database.begin() as transaction:
                worklist.show(transaction, f"1.2.3.{study}")
        stage.add(number, study=study)

    with ThreadPoolExecutor(1) as other:
        for study in range(1, times + 1):
            first, second = 2 * study - 1, 2 * study
            uid, digest = stage.add(first, study=study)
            put_file(stage, digest, first, uid, sample)
            put_file(stage, InstanceDigest(sha256(b"%d" % second).hexdigest()), second, uid, sample)
            flagged = other.submit(flag, second, study, study % 12)
            start.wait()
            is_decided = decide[way](uid)
            flagged.result()

            decisions, labelled, notes = named(stage, uid)

            assert labelled == [uid for one in decisions for uid in one], f"{way}, decision {study}"
            assert notes == (decisions if way != "rest" else []), f"{way}, decision {study}"
            assert len(decisions) == is_decided
            with stage.services.database.begin() as transaction:
                state = worklist.show(transaction, uid).state
            names_both = is_decided and len(decisions[0]) == 2
            assert state is (WorklistState.RESOLVED if names_both else WorklistState.OPEN)
