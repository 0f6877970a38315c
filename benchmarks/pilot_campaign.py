"""Runs one pilot over thousands of images in an Orthanc, killed again and again, and keeps what came of it.

    python -m benchmarks.pilot_campaign [--images 10000] [--kills 10] [--by get] [--pace 1000]

Images are the demonstration's radiographs at 512 × 512, each with noise of its own, in four rooms and 31 days. While
the pilot runs, the archive is asked once a second by somebody else, as a workstation would; its answer times beside
those of the idle archive say what a pilot costs the others. A kill is a SIGKILL of the command at a number of judged
images that was drawn beforehand. At the end each image has to be judged once, with the verdict that `assess` gives it
(on a drawn part).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import sqlalchemy as sa
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from benchmarks.machine import describe, keep, quantiles
from demo.samples import make_samples
from miqa_node.features.pilot.rows import images
from miqa_node.features.pilot.tables import pilots
from miqa_node.stages.report.uids import derive_uid
from tests.conftest import free_port
from tests.features.pilot.making import PERIOD, Site
from tests.peers.orthanc import Orthanc, start_orthanc

SIDE = 512
NAME = "october"
ROOMS, DAYS = 4, 31
ASKED_EVERY_S = 1.0
CONFIGURATION: dict[str, Any] = {"DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "StorageCompression": True}
COMPARED = 200
SEED = 82


def main() -> None:
    """Fill the archive, run the pilot with its kills, compare, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--by", default="get")
    parser.add_argument("--pace", type=float, default=1000.0, help="most images a second")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with start_orthanc(folder, **CONFIGURATION) as archive:
            compared = fill(archive, options.images, folder / "compared")
            site = Site(folder / "site", free_port())
            keys = {"kind": "cstore", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": archive.dicom_port}
            site.name_archives(pacs=keys)
            result = campaign(site, archive, options)
        keep("pilot_campaign", machine, {**vars(options), **result, **checked(site, options.images, compared)})


def fill(archive: Orthanc, number: int, compared: Path) -> Path:
    """Store the images; the folder holds a drawn part of them, for ``assess``."""
    compared.mkdir()
    drawn = set(random.Random(SEED).sample(range(number), min(COMPARED, number)))
    kinds = [_small(pydicom.dcmread(BytesIO(sample.data))) for sample in make_samples()]
    for one in range(number):
        data = _image(kinds[one % len(kinds)], one)
        archive.call("/instances", data)
        if one in drawn:
            (compared / f"{derive_uid(NAME, str(one))}.dcm").write_bytes(data)
    return compared


def _small(kind: pydicom.FileDataset) -> pydicom.FileDataset:
    pixels = cv2.resize(kind.pixel_array, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    kind.Rows, kind.Columns, kind.PixelData = SIDE, SIDE, pixels.astype("<u2").tobytes()
    kind.Modality = "CR"
    return kind


def _image(kind: pydicom.FileDataset, number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 3, (SIDE, SIDE), np.uint16)
    kind.PixelData, before = np.minimum(kind.pixel_array + noise, 2**kind.BitsStored - 1).tobytes(), kind.PixelData
    kind.SOPInstanceUID = derive_uid(NAME, str(number))
    kind.file_meta.MediaStorageSOPInstanceUID = kind.SOPInstanceUID
    kind.StudyInstanceUID, kind.SeriesInstanceUID = derive_uid("study", str(number)), derive_uid("series", str(number))
    kind.PatientID, kind.StationName = f"P{number // 2}", f"ROOM{number % ROOMS}"
    kind.StudyDate = kind.SeriesDate = kind.AcquisitionDate = kind.ContentDate = f"202610{1 + number % DAYS:02}"
    file = BytesIO()
    pydicom.dcmwrite(file, kind, enforce_file_format=True)
    kind.PixelData = before
    return file.getvalue()


def campaign(site: Site, archive: Orthanc, options: argparse.Namespace) -> dict[str, Any]:
    """Plan and run with kills; the archive's answer times without and with the pilot, in seconds."""
    site.run("pilot", "plan", NAME, "--from", "pacs", *PERIOD)
    kills_at = sorted(random.Random(SEED).sample(range(1, options.images), options.kills))
    with asked(archive) as idle_s:
        time.sleep(60 * ASKED_EVERY_S)
    start = time.monotonic()
    with asked(archive) as busy_s:
        died_at = [_killed(site, count, options) for count in kills_at]
        last = site.run(
            "pilot", "run", NAME, "--now", "--pace", str(options.pace), "--by", options.by, "--json", limit_s=86_400
        )
    ratio = quantiles(busy_s)["p50_s"] / max(quantiles(idle_s)["p50_s"], 0.001)
    return {
        "counts": json.loads(last.splitlines()[-1]),
        "kills_at": kills_at,
        "died_at": died_at,
        "hours": round((time.monotonic() - start) / 3600, 2),
        "answers_of_the_idle_archive": quantiles(idle_s),
        "answers_during_the_pilot": quantiles(busy_s),
        "median_ratio": round(ratio, 2),
    }


def _killed(site: Site, count: int, options: argparse.Namespace) -> int:
    """Run until so many images are judged, and kill; how many were by then."""
    command = site.command("pilot", "run", NAME, "--now", "--pace", str(options.pace), "--by", options.by)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while site.judged(NAME) < count and process.poll() is None:
            time.sleep(0.5)
        process.kill()
    return site.judged(NAME)


@contextmanager
def asked(archive: Orthanc) -> Iterator[list[float]]:
    """Answer times of the archive to a query of somebody else meanwhile, in seconds."""
    entity, seconds, ended = AE(), [], threading.Event()
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    query = pydicom.Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID, query.PatientID = "STUDY", "", "P0"

    def ask() -> None:
        association = entity.associate("127.0.0.1", archive.dicom_port, ae_title="ORTHANC")
        while not ended.wait(ASKED_EVERY_S):
            begin = time.perf_counter()
            list(association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind))
            seconds.append(time.perf_counter() - begin)
        association.release()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()


def checked(site: Site, number: int, compared: Path) -> dict[str, Any]:
    """How many images are judged once, as `assess` judges them, and what the pilot left behind."""
    with site.transaction() as transaction:
        rows = images.select(transaction, NAME)
        idle_s = transaction.execute(sa.select(pilots.c.idle_s)).scalar_one()
    verdicts = {row.sop_instance_uid: (row.verdict, row.score) for row in rows}
    expected = site.assessed(compared)
    return {
        "rows": len(rows),
        "different_images": len(verdicts),
        "missed": number - len(verdicts),
        "verdicts": dict(Counter(str(row.verdict) for row in rows)),
        "compared_with_assess": len(expected),
        "different_from_assess": sum(verdicts.get(uid) != one for uid, one in expected.items()),
        "originals_left": len(list((site.folder / "incoming").rglob("*.dcm"))),
        "idle_s_of_the_pilot": idle_s,
    }


if __name__ == "__main__":
    main()
