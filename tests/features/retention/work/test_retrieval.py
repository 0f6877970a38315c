"""An original comes back from an archive, unless its patient was erased meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from pydicom.data import get_testdata_file

from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.language.catalogue import reworded, spoken
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.retention.rows import erasure
from miqa_node.features.retention.work.archives import ERASED, ArchiveRetrieval, Archives
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.units.rows import instances
from tests.features.retention.rows.test_retention import LATER, Shelf, shelf_of_a_node
from tests.runtime.store.making import NOW

FILE = Path(str(get_testdata_file("CT_small.dcm")))


class Archive:
    """One that has the file; with ``erases`` its patient is erased while it looks for it."""

    names = ("PACS",)

    def __init__(self, shelf: Shelf, patient_id: str, *, erases: bool) -> None:
        self._shelf, self._patient_id, self._erases = shelf, patient_id, erases

    @contextmanager
    def connected(self, _name: str) -> Iterator[Archive]:
        yield self

    def fetch(self, _header: Any) -> bytes:
        if self._erases:
            with self._shelf.database.begin() as transaction:
                record = erasure.erase(transaction, self._patient_id, "request", "ada", NOW)
            erasure.delete_files(self._shelf.database, self._shelf.objects, record, NOW)
        return FILE.read_bytes()


@pytest.mark.parametrize("erases", [True, False])
def test_what_was_erased_while_an_archive_sent_it_does_not_come_back(tmp_path: Path, erases: bool) -> None:
    with shelf_of_a_node(tmp_path / "data") as shelf:
        header, study = read_header(FILE)
        of, path = InstanceDigest(data_set_digest(FILE)), shelf.folder / "a.part"
        shutil.copy(FILE, path)
        came = ReceivedObject(str(path), of, path.stat().st_size, "CT", "MIQA", "127.0.0.1", NOW)
        shelf.arrivals.keep(header, study, came, "", lambda _begun: None)
        with shelf.database.begin() as transaction:
            decided = Disposition(Verdict.ACCEPT, (), "p", "s")
            instances.save_disposition(transaction, of, header.study_instance_uid, decided, NOW)
        assert shelf.remove_old(LATER) == 1
        archive = cast("Archives", Archive(shelf, study.patient_id, erases=erases))
        settings = load_settings(node={"data_dir": shelf.folder})
        answer = ArchiveRetrieval(shelf.database, shelf.objects, archive, settings).fetch(header.sop_instance_uid)
        assert (answer.fetched, shelf.has(of)) == (int(not erases), [not erases])
        assert answer.missing == ((f"{header.sop_instance_uid}: PACS: {ERASED}",) if erases else ())
        with shelf.database.begin() as transaction:
            named = transaction.execute(sa.select(t.patients.c.patient_id)).scalars().all()
        assert (study.patient_id in named) is not erases
        with spoken("de"):
            german = [reworded(one) for one in answer.missing]
        why = "Der Patient wurde inzwischen gelöscht. Das Bild wurde nicht übernommen."
        assert german == ([f"{header.sop_instance_uid}: PACS: {why}"] if erases else [])
