"""A patient's visit to a whole node, with a word of its own in each place that holds text."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import httpx2
import numpy as np
import pydicom
import sqlalchemy as sa
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt

from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.settings import Settings, load_settings
from miqa_node.node import Node
from miqa_node.runtime.store import tables as t
from miqa_node.stages.units.rows.removal import delete_marked
from tests.features.retention.left.words import Words, fill
from tests.stages.assess.making import chest_dataset
from tests.stages.deliver.test_retrieval import archive
from tests.waiting import wait_until

POLICY = """
version = "t"
[where.radiographs]
modality = ["CR", "DX"]
[[rule]]
where = "radiographs"
measurement = "deviation_index"
above = 6
then = "REVIEW"
reason = "overexposure_saturation"
evidence = "site"
"""
SETTINGS = """
[node]
data_dir = "{folder}/data"
name = "t"
[dicom]
port = 0
host = "127.0.0.1"
[web]
port = 0
upload_dir = "{folder}/uploads"
[watch]
folder = "{folder}/watch"
interval_s = 0.2
settle_s = 0.1
[work]
processes = 1
ct_quiet_s = 1.0
[deliver]
poll_interval_s = 0.05
[assess]
shipped_packages = false
models_dir = "{folder}/models"
[policy]
file = "{folder}/policy.toml"
[store]
database_url = "{database}"
[analysis]
show_operators = true
[retention]
archives = ["PACS"]
"""
DESTINATIONS = """
[[destination]]
name = "OUT"
kind = "folder"
folder = "{folder}/out"
[[destination]]
name = "PACS"
ae_title = "PACS"
host = "127.0.0.1"
port = {port}
[[destination]]
name = "HOOK"
kind = "webhook"
url = "http://127.0.0.1:9/nobody"
secret_file = "{folder}/secret"
allow_http = true
events = ["image.assessed", "study.flagged", "study.passed", "study.resolved"]
[[destination]]
name = "RIS"
kind = "hl7"
host = "127.0.0.1"
port = 9
tls = false
on = "all"
"""
STAND = ("Modality", "PhotometricInterpretation", "CollimatorShape", "PresentationLUTShape", "ModalityLUTType")
"""Without their real values no image is judged."""
NAMED = (*STAND, "BodyPartExamined", "ViewPosition", "ViewCodeSequence", "AnatomicRegionSequence")
STUDY, STACK, OTHER = "1.2.826.0.1.9.1", "1.2.826.0.1.9.2", "1.2.826.0.1.9.3"


@dataclass
class Visit:
    """The node, its settings, the patient's words, and the archive."""

    folder: Path
    words: Words
    settings: Settings
    node: Node
    archived: list[FileDataset] = field(default_factory=list)
    """What the archive has."""

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """A request to the node's web server."""
        return httpx2.request(method, f"http://127.0.0.1:{self.node.web_port}{path}", **more)

    def post(self, path: str, **body: Any) -> Any:
        """A request of the REST interface, which succeeds."""
        answer = self.ask("POST", f"/api/v1{path}", json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    def decided(self, images: int) -> bool:
        """Whether so many images have their verdict, and none waits for another one."""
        with self.node.database.begin() as transaction:
            count = sa.select(sa.func.count())
            again = sa.select(t.reassessments).where(t.reassessments.c.concluded_at.is_(None))
            return (
                transaction.execute(count.select_from(t.dispositions)).scalar_one() == images
                and transaction.execute(again).first() is None
            )


@contextmanager
def visit(folder: Path, database_url: str = "") -> Iterator[Visit]:
    """A node with all folders that settings name below ``folder``."""
    for name in ("watch", "models", "out", "uploads"):
        (folder / name).mkdir(parents=True)
    (folder / "policy.toml").write_text(POLICY)
    (folder / "secret").write_text(f"whsec_{base64.b64encode(bytes(32)).decode()}\n")
    (folder / "miqa.toml").write_text(SETTINGS.format(folder=folder, database=database_url))
    (folder / "data").mkdir()
    settings, archived = load_settings(folder / "miqa.toml"), list[FileDataset]()
    with archive(partial(_matches, archived), partial(_copies, archived)) as port:
        (folder / "data" / "destinations.toml").write_text(DESTINATIONS.format(folder=folder, port=port))
        with Node(settings) as node:
            yield Visit(folder, Words(), settings, node, archived)


def _matches(archived: Sequence[Dataset], event: evt.Event) -> Iterator[Any]:
    yield from ((0xFF00, ds) for ds in archived if ds.SOPInstanceUID == event.identifier.SOPInstanceUID)


def _copies(archived: Sequence[Dataset], event: evt.Event) -> Iterator[Any]:
    same = [ds for ds in archived if ds.SOPInstanceUID == event.identifier.SOPInstanceUID]
    yield len(same)
    yield from ((0xFF00, ds) for ds in same)


def fetch(visited: Visit, image: FileDataset) -> None:
    """Retention removes an original, and a person has it fetched from the archive, where it got one more text."""
    of = t.instances.c
    with visited.node.database.begin() as transaction:
        gone = {"removed_at": datetime.now(UTC), "removal_cause": RemovalCause.AGE.value}
        this = of.sop_instance_uid == image.SOPInstanceUID
        transaction.execute(sa.update(t.instances).where(this).values(gone))
    delete_marked(visited.node.database, visited.node.objects, datetime.now(UTC), 10)
    other = deepcopy(image)
    other.InstitutionName = visited.words("fetched InstitutionName")
    visited.archived.append(other)
    assert visited.post("/retrievals", uid=image.SOPInstanceUID) == {"fetched": 1, "missing": []}


def images(words: Words) -> dict[str, FileDataset]:
    """By name: one whose header is as it should be, one with an unknown part, one where nothing is as it should be, one
    whose pixels are a JPEG stream with a comment, and three slices.
    """
    made: dict[str, FileDataset] = {}
    for number, (name, leave) in enumerate((("chest", NAMED), ("part", STAND), ("strange", ()))):
        made[name] = _exposure(words, name, number, leave)
    made["photo"] = _photo(words)
    for number in range(3):
        made[f"slice{number}"] = _slice(words, number)
    return made


def _exposure(words: Words, name: str, number: int, leave: Sequence[str]) -> FileDataset:
    ds = chest_dataset(number)
    fill(ds, words, name, leave)
    return _of_patient(ds, words, STUDY, number)


def _photo(words: Words) -> FileDataset:
    ds = pydicom.dcmread(str(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm")))
    fill(ds, words, "photo", STAND)
    comment = words("photo comment in the stream").encode()
    [frame] = list(generate_frames(ds.PixelData, number_of_frames=1))
    mark = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    ds.PixelData = encapsulate([frame[:2] + mark + frame[2:] + words("photo behind the stream").encode()])
    return _of_patient(ds, words, STUDY, 7)


def _slice(words: Words, number: int) -> FileDataset:
    ds = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    fill(ds, words, "slices", NAMED)
    ds.ImageType, ds.BodyPartExamined = ["ORIGINAL", "PRIMARY", "AXIAL"], "CHEST"
    ds.ImagePositionPatient, ds.InstanceNumber = [0, 0, 5 * number], number + 1
    noise = np.random.default_rng(number).integers(0, 200, (ds.Rows, ds.Columns)).astype(np.int16)
    ds.PixelData = (ds.pixel_array + noise).astype(np.int16).tobytes()
    return _of_patient(ds, words, STACK, 10 + number, "20")


def _of_patient(ds: FileDataset, words: Words, study: str, number: int, series: str = "") -> FileDataset:
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.8.{number + 1}")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"1.2.826.0.1.7.{series or number + 1}"
    ds.PatientID, ds.IssuerOfPatientID = words("PatientID"), words("IssuerOfPatientID")
    if "IssuerOfPatientIDQualifiersSequence" in ds:
        del ds.IssuerOfPatientIDQualifiersSequence
    ds.PatientBirthDate, ds.DeviationIndex = "19370213", "8"
    return ds


def send(node: Node, data: Sequence[Dataset]) -> None:
    """By C-STORE."""
    ae = AE("SCANNER")
    ae.requested_contexts = [
        build_context(*kind) for kind in {(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in data}
    ]
    association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
    assert association.is_established
    assert [association.send_c_store(ds).Status for ds in data] == [0x0000] * len(data)
    association.release()


def drop(visited: Visit, data: dict[str, FileDataset]) -> None:
    """Into the watched folder, below a folder with a name, and one file that no DICOM reader takes."""
    place = visited.folder / "watch" / visited.words("name of a folder")
    place.mkdir()
    for name, ds in data.items():
        ds.save_as(place / f".{name}")
        (place / f".{name}").rename(place / f"{visited.words(f'name of the file {name}')}.dcm")
    refused = visited.words("name of a refused file")
    broken = Dataset()
    broken.PatientID, broken.PatientName = visited.words("PatientID"), visited.words("refused PatientName")
    broken.IssuerOfPatientID, broken.StudyInstanceUID = visited.words("IssuerOfPatientID"), STUDY
    pydicom.dcmwrite(place / ".refused", broken, implicit_vr=False, little_endian=True, force_encoding=True)
    (place / ".refused").rename(place / refused)


def talk(visited: Visit) -> None:
    """What people type about the patient, in all fields that have a place in the REST interface."""
    words, post = visited.words, visited.post
    post(f"/worklist/{STUDY}/comments", actor="kim", text=words("typed comment"))
    decided = {"actor": "kim", "resolution": "confirmed", "comment": words("typed decision")}
    post(f"/worklist/{STUDY}/resolve", **decided)
    post(f"/worklist/{STUDY}/reopen", actor="kim", comment=words("typed reopening"))
    hold = post("/holds", actor="kim", patient_id=words("PatientID"), authority=words("IssuerOfPatientID"),
                reason=words("typed hold"))  # fmt: skip
    post(f"/holds/{hold['hold_id']}/clear", actor="kim", reason=words("typed end of hold"))
    body = {"filter": {"search": words("typed search")}}
    view = words("typed name of a view")
    assert visited.ask("PUT", f"/api/v1/views/{view}", json=body).is_success
    assert visited.ask("GET", f"/views/{view}").is_redirect
    post(f"/views/{view}/remove")
    sent = [one for one in visited.ask("GET", "/api/v1/deliveries").json()["items"] if one["destination"] == "OUT"]
    post(f"/deliveries/{sent[0]['delivery_id']}/resend", actor="kim", comment=words("typed resending"))
    series = "1.2.826.0.1.7.20"
    post(f"/phantoms/{series}", actor="kim", phantom=True, comment=words("typed phantom"))
    again = {"uids": [STUDY], "dry_run": False, "actor": "kim", "comment": words("typed reassessment")}
    post("/reassessments", **again)


def wait_for_files(visited: Visit, count: int) -> None:
    """Until the watched folder is empty: so many files lie in its done and failed."""
    watch = visited.folder / "watch"
    wait_until(lambda: len([p for k in ("done", "failed") for p in (watch / k).rglob("*") if p.is_file()]) >= count)


def store_over_web(visited: Visit, data: Sequence[FileDataset]) -> None:
    """By STOW-RS."""
    boundary, body = "of-the-parts", BytesIO()
    for ds in data:
        body.write(f"--{boundary}\r\ncontent-type: application/dicom\r\n\r\n".encode())
        body.write(as_file(ds) + b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    assert visited.ask(
        "POST", "/api/dicom-web/studies", content=body.getvalue(), headers={"content-type": kind}
    ).is_success


def upload(visited: Visit, files: dict[str, bytes], *, keep: bool) -> None:
    """On the page "Check", by name; what is not kept is only looked at."""
    page = visited.ask("GET", "/look").text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    form = {"keep": str(keep).lower(), "body_part": "chest", "view": "pa", **({"csrf": token[1]} if token else {})}
    sent = [("file", (name, data)) for name, data in files.items()]
    origin = {"origin": f"http://127.0.0.1:{visited.node.web_port}"}
    answer = visited.ask("POST", "/look", files=sent, data=form, headers=origin)
    assert answer.status_code in (200, 303), answer.text[:2000]


def as_file(ds: FileDataset) -> bytes:
    """The bytes of its file."""
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


def pictures(words: Words) -> dict[str, bytes]:
    """A PNG with a text, and a JPEG with a comment, EXIF and something behind its end, by their names."""
    gray = np.random.default_rng(0).integers(0, 255, (256, 208)).astype(np.uint8)
    png = cv2.imencode(".png", gray)[1].tobytes()
    text = b"tEXtArtist\0" + words("picture PNG text").encode()
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    jpeg = cv2.imencode(".jpg", gray)[1].tobytes()
    exif = b"Exif\0\0" + words("picture EXIF").encode()
    comment = words("picture comment").encode()
    marks = b"".join(
        mark + (len(data) + 2).to_bytes(2, "big") + data for mark, data in ((b"\xff\xe1", exif), (b"\xff\xfe", comment))
    )
    return {
        f"{words('picture name of the PNG')}.png": png[:33] + chunk + png[33:],
        f"{words('picture name of the JPEG')}.jpg": jpeg[:2] + marks + jpeg[2:] + words("picture end").encode(),
    }
