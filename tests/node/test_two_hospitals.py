"""A node with two hospitals that both use the ID 1001: nothing shows, counts, holds or erases one for the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset, FileDataset

from miqa_node.interfaces.cli.app import run
from miqa_node.node import Node
from miqa_node.runtime.store import tables as t
from tests.node.test_node import settings_in
from tests.sending import exposure, judged

pytestmark = [
    pytest.mark.more,
    # FastAPI silences it while it reads its routes, which other threads of the node undo: filters are of the process.
    pytest.mark.filterwarnings("ignore:The 'alias' attribute with value"),
]

LIMIT_S = 240.0
NORTH, SOUTH = "NORTH", "SOUTH"
UNIVERSAL = "&1.2.3&ISO"
ISSUER = "00100021"
PRIOR = re.compile(r'Prior of the same patient and view: <a href="/studies/([\d.]+)"')


class Site:
    """A running node, asked by DICOMweb, REST, pages and commands."""

    def __init__(self, node: Node, samples: Path, command: Callable[..., tuple[int, str]]) -> None:
        self.node, self.command = node, command
        self._samples = samples
        self._web = f"http://127.0.0.1:{node.web_port}"

    def take(self, number: int, minute: int, **elements: Any) -> FileDataset:
        time = f"08{minute:02}00"
        times = {"AcquisitionTime": time, "ContentTime": time, "StudyTime": time}
        ds = exposure(self._samples, number, PatientID="1001", **times, **elements)
        judged(self.node, ds, LIMIT_S)
        return ds

    def found(self, level: str = "studies", **query: str) -> list[tuple[str, str]]:
        """(Study Instance UID, issuer) of what QIDO-RS finds."""
        answer = httpx2.get(f"{self._web}/api/dicom-web/{level}?{urlencode(query)}", timeout=60)
        assert answer.status_code in (200, 204), answer.text
        items = answer.json() if answer.status_code == 200 else []
        return sorted({(one["0020000D"]["Value"][0], one.get(ISSUER, {"Value": [""]})["Value"][0]) for one in items})

    def get(self, path: str) -> Any:
        answer = httpx2.get(f"{self._web}/api/v1/{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        return httpx2.post(f"{self._web}/api/v1/{path}", json=body, timeout=60)

    def page(self, path: str) -> str:
        answer = httpx2.get(f"{self._web}{path}", timeout=60)
        assert answer.status_code == 200
        return answer.text

    def repeated(self) -> list[str]:
        """The studies of exposures that were repeated."""
        with self.node.database.begin() as transaction:
            query = sa.select(t.instances.c.study_instance_uid).join(
                t.acquisitions, t.acquisitions.c.digest == t.instances.c.digest
            )
            return list(transaction.execute(query.where(t.acquisitions.c.repeated)).scalars())


Start = Callable[[], Site]


@pytest.fixture
def start(
    database_url: str,
    tmp_path: Path,
    samples: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Start]:
    """Starts the node, and runs commands beside it."""
    monkeypatch.setenv("MIQA_STORE__DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run([*words, "--data-dir", str(tmp_path)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    with ExitStack() as stack:
        yield lambda: Site(stack.enter_context(Node(settings_in(tmp_path))), samples, command)


def qualified(universal_id: str) -> Dataset:
    ds = Dataset()
    ds.UniversalEntityID, ds.UniversalEntityIDType = universal_id, "ISO"
    return ds


def test_one_number_of_two_hospitals_is_two_patients_everywhere(start: Start) -> None:
    site = start()
    first = site.take(1, 0, IssuerOfPatientID=NORTH, PatientName="North^Anna", StudyDate="20260101")
    other = site.take(2, 5, IssuerOfPatientID=SOUTH, PatientName="South^Bert", StudyDate="20260102")
    again = site.take(3, 9, IssuerOfPatientID=NORTH, PatientName="North^Anna", StudyDate="20260103")
    none = site.take(4, 12, PatientName="Own^Carl", StudyDate="20260104")
    far = site.take(5, 14, IssuerOfPatientIDQualifiersSequence=[qualified("1.2.3")], StudyDate="20260105")
    uids = {one: ds.StudyInstanceUID for one, ds in zip("abcde", (first, other, again, none, far), strict=True)}
    a, b, c, d, e = uids.values()
    north = sorted([(a, NORTH), (c, NORTH)])

    # QIDO-RS: matched, returned, with wildcards, absent, and of a universal ID
    for level in ("studies", "series", "instances"):
        everybody = sorted([*north, (b, SOUTH), (d, ""), (e, UNIVERSAL)])
        assert site.found(level, PatientID="1001", includefield="IssuerOfPatientID") == everybody
        assert site.found(level, PatientID="1001", IssuerOfPatientID=NORTH) == north
        assert site.found(level, PatientID="1001", **{ISSUER: "SOUTH"}) == [(b, SOUTH)]
        assert site.found(level, IssuerOfPatientID="?O*TH") == sorted([*north, (b, SOUTH)])
        assert site.found(level, IssuerOfPatientID=UNIVERSAL) == [(e, UNIVERSAL)]
        assert site.found(level, IssuerOfPatientID="*") == everybody
        assert site.found(level, IssuerOfPatientID="WEST") == site.found(level, IssuerOfPatientID="north") == []
        assert site.found(level, IssuerOfPatientID=NORTH, PatientID="1002") == []

    # priors and repeats
    assert site.repeated() == [a]
    pages = {uid: site.page(f"/studies/{uid}") for uid in uids.values()}
    assert {uid: PRIOR.findall(page) for uid, page in pages.items()} == {a: [], b: [], c: [a], d: [], e: []}
    assert "SOUTH" in pages[b]
    assert "NORTH" not in pages[b]
    assert "Images of several patients" not in "".join(pages.values())

    # lists
    for path in ("/?show=all", "/images"):
        listed = site.page(path)
        assert all(f"1001 ({one})" in listed for one in (NORTH, SOUTH))
    items = {one["study_instance_uid"]: one for one in site.get("worklist")["items"]}
    assert [items[one]["images"][0]["authority"] for one in (a, b, d)] == [NORTH, SOUTH, ""]
    rows = httpx2.get(f"http://127.0.0.1:{site.node.web_port}/api/v1/worklist.csv", timeout=60).text.splitlines()
    assert sorted(row.rsplit(",", 1)[1] for row in rows[1:]) == sorted(["", NORTH, NORTH, SOUTH, UNIVERSAL])

    # holds
    hold = {"patient_id": "1001", "reason": "court", "actor": "ada"}
    refused = site.post("holds", hold)
    assert refused.status_code == 409
    assert all(one in refused.text for one in ("NORTH: 2 studies", "SOUTH: 1 study", "(none): 1 study"))
    code, shown = site.command("retention", "hold", "--patient", "1001", "--dry-run")
    assert (code, NORTH in shown, SOUTH in shown) == (4, True, True)
    code, shown = site.command("retention", "hold", "--patient", "1001", "--authority", NORTH, "--dry-run")
    assert (code, "studies 2, images 2" in shown) == (0, True)
    assert site.get("holds") == []
    assert site.post("holds", hold | {"authority": NORTH}).json()["authority"] == NORTH

    # erasure
    code, shown = site.command("erase", "patient", "1001", "--yes", "--reason", "asked")
    assert (code, "name the authority" in shown) == (4, True)
    code, shown = site.command("erase", "patient", "1001", "--authority", NORTH, "--yes", "--reason", "asked")
    assert (code, "legal hold" in shown) == (4, True)
    code, shown = site.command("erase", "patient", "1001", "--authority", SOUTH)
    assert (code, "studies: 1. Erase them" in shown) == (0, True)
    assert site.found(PatientID="1001", IssuerOfPatientID=SOUTH) == [(b, SOUTH)]
    proof = Path(site.node.settings.node.data_dir) / "proof.json"
    where = ("--yes", "--reason", "asked", "--out", str(proof))
    assert site.command("erase", "patient", "1001", "--authority", SOUTH, *where)[0] == 0
    assert '"authority": "SOUTH"' in proof.read_text("utf-8")
    for authority, code in ((SOUTH, 0), (NORTH, 1), ("", 1)):
        assert site.command("erase", "verify", str(proof), "--patient", "1001", "--authority", authority)[0] == code
    assert site.found(PatientID="1001") == sorted([*north, (d, ""), (e, UNIVERSAL)])
    assert site.repeated() == [a]
    assert PRIOR.findall(site.page(f"/studies/{c}")) == [a]
