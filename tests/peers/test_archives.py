"""Originals that were promised go only after a real archive has them, and come back from it when they are asked for."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.backup.rows import Check, Fault
from miqa_node.features.retention.rows import archived, retention
from miqa_node.features.retention.rows.retention import AgeLimits
from miqa_node.features.retention.work.archives import CHANGED, ArchiveRetrieval, Archives, ArchiveWatch
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.deliver.kinds.base import DestinationConfig
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.kinds.stow import StowConfig
from miqa_node.stages.receive.rows.arrivals import Arrivals
from miqa_node.stages.units.rows import instances, removal
from tests.conftest import free_port
from tests.peers.orthanc import Orthanc

pytestmark = [pytest.mark.peers]

LIMITS = AgeLimits(accepted=30, flagged=365)
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=31)
FILES = ("RG1_UNCR.dcm", "RG3_UNCR.dcm", "RG1_J2KR.dcm", "RG3_J2KR.dcm")


class PromisingNode:
    """The stores of a node that answered storage commitment for its images, and the archives that may have them."""

    def __init__(self, folder: Path, *archives: DestinationConfig) -> None:
        self.settings = load_settings(
            node={"data_dir": folder / "node"}, retention={"archives": tuple(one.name for one in archives)}
        )
        self.database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
        self.database.migrate()
        self.objects = open_objects("", folder / "objects", 0, 1 << 20)
        configured = {one.name: one for one in archives}
        self.archives = Archives(lambda: configured, self.settings)
        self.watch = ArchiveWatch(self.database, self.archives, self.settings)
        self.retrieval = ArchiveRetrieval(self.database, self.objects, self.archives, self.settings)
        self.folder = folder

    def promise(self, file: Path) -> InstanceDigest:
        path = self.folder / "arriving.part"
        shutil.copy(file, path)
        header, study = read_header(path)
        digest = InstanceDigest(data_set_digest(path))
        came = ReceivedObject(str(path), digest, path.stat().st_size, "CT1", "MIQA", "127.0.0.1", NOW)
        Arrivals(self.database, Artifacts(self.objects)).keep(header, study, came, "", lambda _transaction: None)
        with self.database.begin() as transaction:
            decided = Disposition(Verdict.ACCEPT, (), "p", "s")
            instances.save_disposition(transaction, digest, header.study_instance_uid, decided, NOW)
            transaction.execute(sa.update(t.instances).values(promised_at=NOW))
        return digest

    def remove_old(self) -> int:
        with self.database.begin() as transaction:
            count = retention.remove_old(transaction, LIMITS, LATER, 100)
        removal.delete_marked(self.database, self.objects, LATER, 100)
        return count

    def ask_again(self) -> None:
        with self.database.begin() as transaction:
            transaction.execute(sa.update(t.instances).values(archive_asked_at=NOW - timedelta(days=1)))
        self.watch.look()

    def inconsistencies(self) -> list[Fault]:
        now = datetime.now(UTC)
        check = Check(self.database, self.objects, frozenset, frozenset(), lambda _begun, _digest: None, now)
        return [one.fault for one in check.run(deep=True)]

    def uid(self, digest: InstanceDigest) -> str:
        with self.database.begin() as transaction:
            return str(instances.load(transaction, digest).header.sop_instance_uid)


def archive(orthanc: Orthanc, kind: str) -> DestinationConfig:
    if kind == "stow":
        return StowConfig(name="pacs", url=orthanc.dicomweb)
    return CStoreConfig(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port)


@pytest.mark.parametrize("kind", ["cstore", "stow"])
def test_a_promised_original_goes_only_after_the_archive_has_it_and_comes_back_as_it_was(
    kind: str, tmp_path: Path, samples: Path, orthanc: Orthanc
) -> None:
    node = PromisingNode(tmp_path, archive(orthanc, kind))
    digests = [node.promise(samples / name) for name in FILES]
    assert node.remove_old() == 0, "promised, and nobody has confirmed"
    node.watch.look()
    assert node.remove_old() == 0, "the archive does not have them"
    for name in FILES[:3]:
        orthanc.call("/instances", (samples / name).read_bytes())
    node.watch.look()
    assert node.remove_old() == 0, "it is not asked again at once"
    node.ask_again()
    assert node.remove_old() == 3
    presence = [node.objects.exists(original_key(one)) for one in digests]
    assert presence == [False, False, False, True]

    for digest, name in zip(digests[:3], FILES, strict=False):
        assert node.retrieval.fetch(node.uid(digest)).missing == ()
        copy = pydicom.dcmread(node.objects.local_path(original_key(digest)))
        assert copy.PixelData == pydicom.dcmread(samples / name).PixelData
        assert copy.file_meta.TransferSyntaxUID == pydicom.dcmread(samples / name).file_meta.TransferSyntaxUID
    assert node.inconsistencies() == []
    with node.database.begin() as transaction:
        assert instances.load(transaction, digests[0]).removal is None
    with pytest.raises(NotFoundError, match="No original"):
        node.retrieval.fetch(node.uid(digests[0]))
    node.database.close()


@pytest.mark.parametrize("kind", ["cstore", "stow"])
def test_what_the_archive_changed_or_lost_is_not_taken_and_the_reason_is_given(
    kind: str, tmp_path: Path, samples: Path, orthanc: Orthanc
) -> None:
    node = PromisingNode(tmp_path, archive(orthanc, kind))
    changed, lost = node.promise(samples / FILES[0]), node.promise(samples / FILES[1])
    coerced = pydicom.dcmread(samples / FILES[0])
    coerced.ViewPosition = "LL"
    coerced.save_as(tmp_path / "coerced.dcm")
    orthanc.call("/instances", (tmp_path / "coerced.dcm").read_bytes())
    lost_id = orthanc.call("/instances", (samples / FILES[1]).read_bytes())["ID"]
    node.watch.look()
    assert node.remove_old() == 2
    orthanc.call(f"/instances/{lost_id}", method="DELETE")
    [missing] = node.retrieval.fetch(node.uid(changed)).missing
    assert missing.endswith(f"pacs: {CHANGED}")
    [missing] = node.retrieval.fetch(node.uid(lost)).missing
    assert "pacs: " in missing
    assert node.retrieval.fetch(changed).fetched == 0
    assert list(node.settings.incoming_dir.iterdir()) == []
    node.database.close()


def test_an_archive_that_is_away_confirms_nothing_and_is_asked_again(tmp_path: Path, samples: Path) -> None:
    away = CStoreConfig(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=free_port())
    node = PromisingNode(tmp_path, away)
    node.promise(samples / FILES[0])
    node.watch.look()
    with node.database.begin() as transaction:
        assert len(archived.unconfirmed(transaction, NOW - timedelta(days=1), 9)) == 1
    assert node.remove_old() == 0
    node.database.close()


def test_without_an_archive_a_promised_original_stays_and_nothing_can_be_fetched(tmp_path: Path, samples: Path) -> None:
    node = PromisingNode(tmp_path)
    digest = node.promise(samples / FILES[0])
    node.watch.look()
    assert node.remove_old() == 0
    with pytest.raises(ConflictError, match=r"retention\.archives"):
        node.retrieval.fetch(node.uid(digest))
    node.database.close()
