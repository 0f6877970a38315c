"""Retention in a whole node: a data directory that is smaller than the images that pass through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Settings
from miqa_node.node import Node
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import instances
from tests.node.test_node import get, settings_in
from tests.small_disk import small_disk as mounted
from tests.stages.assess.making import CR, chest_dataset
from tests.waiting import wait_until

pytestmark = pytest.mark.more

DISK_MIB = 64
IMAGES, SIDE, FLAGGED_EVERY = 160, 1024, 20
POLICY = """
version = "t"
[[rule]]
measurement = "deviation_index"
above = 6
then = "REVIEW"
reason = "overexposure_saturation"
evidence = "site"
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of DISK_MIB."""
    with mounted(tmp_path / "small", DISK_MIB) as folder:
        yield folder


def settings_on(folder: Path, tmp_path: Path, *, enabled: bool) -> Settings:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    return settings_in(
        folder,
        store={"min_free_bytes": 8 << 20},
        retention={"enabled": enabled, "accepted_days": 1, "min_free_percent": 25.0, "interval_s": 0.2},
        policy={"file": str(policy)},
        assess={"shipped_packages": False, "models_dir": str(tmp_path)},
    )


def exposure(number: int) -> Dataset:
    """2 MiB of noise; every twentieth is overexposed."""
    ds = chest_dataset(number)
    ds.Rows = ds.Columns = SIDE
    ds.PixelData = np.random.default_rng(number).integers(0, 4096, (SIDE, SIDE)).astype(np.uint16).tobytes()
    ds.DeviationIndex = "8" if number % FLAGGED_EVERY == 0 else "0"
    return ds


def send(node: Node, numbers: range, most_waiting: int | None = 6) -> list[int]:
    """Store images; a modality that is slower than the node, unless ``most_waiting`` is None."""
    ae = AE("SCANNER")
    ae.requested_contexts = [build_context(CR, ExplicitVRLittleEndian)]
    association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
    statuses = []
    for number in numbers:
        if most_waiting is not None:
            wait_until(lambda: _waiting(node) < most_waiting)
        if not association.is_established:  # a machine that stalls lets an association wait until it is idle
            association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
        statuses.append(int(association.send_c_store(exposure(number)).Status))
    association.release()
    if most_waiting is not None:
        wait_until(lambda: _waiting(node) == 0)
    return statuses


def send_all(node: Node, images: Sequence[Dataset]) -> None:
    """Store images one after the other, each until it is answered, as a modality does; each must be taken."""
    ae = AE("SCANNER")
    ae.dimse_timeout = ae.network_timeout = 300.0  # as patient as a busy machine needs
    ae.requested_contexts = [build_context(CR, ExplicitVRLittleEndian)]
    association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
    for image in images:
        answer = Dataset()
        while "Status" not in answer:
            if not association.is_established:  # a machine that stalls lets an association wait until it is idle
                association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
            answer = association.send_c_store(image)
        assert int(answer.Status) == 0x0000
    association.release()


def _waiting(node: Node) -> int:
    with node.database.begin() as transaction:
        counts = instances.count(transaction)
    return counts.received - counts.decided


@pytest.mark.long
def test_five_times_as_many_images_as_the_disk_holds_are_all_taken_and_open_studies_stay(
    small_disk: Path, tmp_path: Path
) -> None:
    with Node(settings_on(small_disk, tmp_path, enabled=True)) as node:
        assert IMAGES * SIDE * SIDE * 2 >= 5 * (DISK_MIB << 20)
        assert send(node, range(IMAGES)) == [0x0000] * IMAGES
        with node.database.begin() as transaction:
            counts = instances.count(transaction)
            all_of_them = [instances.load(transaction, one) for n in range(IMAGES) for one in _digests(transaction, n)]
            flagged = [
                one
                for one in all_of_them
                if (decided := instances.load_disposition(transaction, one.digest)) and decided.flagged
            ]
        assert (counts.received, counts.decided, len(all_of_them)) == (IMAGES, IMAGES, IMAGES)
        assert counts.verdicts[Verdict.REVIEW.value] == len(flagged) == IMAGES // FLAGGED_EVERY
        assert all(node.objects.exists(original_key(one.digest)) for one in flagged)
        removed = [one for one in all_of_them if one.removal is not None]
        assert len(removed) > IMAGES // 2
        wait_until(lambda: not any(node.objects.exists(original_key(one.digest)) for one in removed))
        status, answer = get(node.web_port, f"/images/{removed[0].digest}/pixels")
        assert (status, "removed by retention on" in answer["detail"]) == (410, True)
        status, answer = get(node.web_port, f"/api/v1/instances/{removed[0].digest}")
        assert answer["instances"][0]["instance"]["removal"]["cause"] == "space"


def test_retention_that_is_off_removes_nothing_and_the_sender_is_told(small_disk: Path, tmp_path: Path) -> None:
    with Node(settings_on(small_disk, tmp_path, enabled=False)) as node:
        statuses = send(node, range(30), most_waiting=None)
        assert set(statuses) == {0x0000, 0xA700}
        with node.database.begin() as transaction:
            loaded = [instances.load(transaction, one) for n in range(30) for one in _digests(transaction, n)]
        assert len(loaded) == statuses.count(0x0000)
        assert all(one.removal is None and node.objects.exists(original_key(one.digest)) for one in loaded)
        wait_until(lambda: _waiting(node) == 0)


def test_a_large_object_does_not_use_what_must_stay_free(small_disk: Path, tmp_path: Path) -> None:
    large = exposure(1)
    large.Rows, large.NumberOfFrames = SIDE, DISK_MIB // 2
    large.PixelData = bytes(SIDE * SIDE * 2) * (DISK_MIB // 2 - 2)  # 60 of 64 MiB
    with Node(settings_on(small_disk, tmp_path, enabled=False)) as node:
        ae = AE("SCANNER")
        ae.requested_contexts = [build_context(CR, ExplicitVRLittleEndian)]
        association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
        assert association.send_c_store(large).Status == 0xA700
        association.release()
        assert not list((small_disk / "incoming").iterdir())
        wait_until(lambda: send(node, range(1)) == [0x0000])  # for a second the last answer counts


def _digests(transaction: Transaction, number: int) -> list[InstanceDigest]:
    return instances.find(transaction, f"1.2.826.0.1.1.{number}")
