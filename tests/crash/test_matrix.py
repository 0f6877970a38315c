"""Damage to stored objects × what each part of the node says and does: a table of docs/explanation/reliability.md.

Each test runs a node as a process, damages what it keeps, asks every part, and compares the answers with the page.
What must hold whatever the words are is asserted here, too, so that ``make matrix`` cannot hide a loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import boto3
import pytest

from tests.crash.faults import marks, only_with_matrix
from tests.crash.matrix import DAMAGES, MatrixNode, Row, StoredImage, compare_with_page, table
from tests.crash.station import LIMIT_S
from tests.waiting import wait_until

COLUMNS = ("commitment", "reassess", "fsck", "fsck --deep", "doctor", "readiness", "backup", "lane", "re-sending")

pytestmark = marks


class Shelf(Protocol):
    """Where a node keeps its objects, for somebody who damages them."""

    environment: Mapping[str, str]

    def read(self, key: str) -> bytes | None:
        """The bytes; None without an object."""
        ...

    def write(self, key: str, content: bytes | None) -> None:
        """Replace an object, or remove it."""
        ...


class FolderShelf:
    """Files of a disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data" / "objects"
        self.environment: Mapping[str, str] = {}

    def read(self, key: str) -> bytes | None:
        path = self._folder / key
        return path.read_bytes() if path.exists() else None

    def write(self, key: str, content: bytes | None) -> None:
        path = self._folder / key
        path.unlink()
        if content is not None:
            path.write_bytes(content)


class BucketShelf:
    """Objects of a bucket. Copies of what is damaged are removed: a sound one would be sent in its place."""

    def __init__(self, folder: Path, url: str, endpoint: str) -> None:
        self._copies = folder / "data" / "objects"
        self._bucket, _, self._prefix = url.removeprefix("s3://").partition("/")
        self._client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.environment: Mapping[str, str] = {"MIQA_STORE__OBJECTS_URL": url}

    def read(self, key: str) -> bytes | None:
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")["Body"].read())
        except self._client.exceptions.NoSuchKey:
            return None

    def write(self, key: str, content: bytes | None) -> None:
        (self._copies / key).unlink(missing_ok=True)
        if content is None:
            self._client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")
        else:
            self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}", Body=content)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=only_with_matrix)])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "folder":
        return FolderShelf(tmp_path)
    return BucketShelf(tmp_path, request.getfixturevalue("bucket_url"), request.getfixturevalue("s3_endpoint"))


@pytest.fixture
def node(tmp_path: Path, samples: Path, shelf: Shelf) -> Iterator[MatrixNode]:
    node = MatrixNode(tmp_path, samples, shelf.environment)
    yield node
    node.close()


def test_damage_to_objects(node: MatrixNode, shelf: Shelf) -> None:
    images = dict(zip(DAMAGES, node.take(len(DAMAGES)), strict=True))
    originals = {damage: shelf.read(image.key) for damage, image in images.items()}
    rows = {f"result {name}": row for name, row in _results(node, shelf, images).items()}
    rows = {f"original {name}": row for name, row in _originals(node, shelf, images).items()} | rows
    # Nothing is left of any damage.
    assert node.fsck("--deep") == {}
    for damage, image in images.items():
        assert shelf.read(image.key) == originals[damage]
    assert node.backup()[0] == 0
    compare_with_page("objects", table("damage", COLUMNS, rows))


def _results(node: MatrixNode, shelf: Shelf, images: Mapping[str, StoredImage]) -> Mapping[str, Row]:
    """Every result of an image is damaged before it is sent; then the archive comes."""
    node.let_send(False)
    made = {uid: shelf.read(key) for image in images.values() for uid, key in image.results.items()}
    keys = {damage: tuple(image.results.values()) for damage, image in images.items()}
    rows = _ask(node, shelf, images, keys, {name: (*image.results, *keys[name]) for name, image in images.items()})
    pacs = node.open_archive()
    node.let_send(True)
    wait_until(lambda: node.waiting() == 0, LIMIT_S, "the lane has nothing left")
    for damage, image in images.items():
        assert node.send(image.dataset) == 0x0000
        rows[damage]["re-sending"] = "0x0000, known already"
        sent = {uid: pacs.files.get(uid) for uid in image.results}
        for uid, data in sent.items():
            whole = made[uid]
            assert whole is not None
            assert data is not None, f"a result that was {damage} is not sent"
            assert whole.endswith(data), f"a result that was {damage} is sent damaged"
        stored = all(shelf.read(key) == made[uid] for uid, key in image.results.items())
        rows[damage]["lane"] = "makes it anew, the same, and sends it" if stored else "sends it as it was made"
    wait_until(lambda: node.fsck("--deep") == {}, LIMIT_S, "nothing is left of the damage")
    return rows


def _originals(node: MatrixNode, shelf: Shelf, images: Mapping[str, StoredImage]) -> Mapping[str, Row]:
    """All results are sent; then the originals are damaged, and sent again at last."""
    keys = {damage: (image.key,) for damage, image in images.items()}
    rows = _ask(node, shelf, images, keys, {name: (image.digest, image.key) for name, image in images.items()})
    for damage, image in images.items():
        assert rows[damage]["commitment"].startswith("refused"), damage
        assert rows[damage]["reassess"].startswith("refused"), damage
        rows[damage]["lane"] = "has sent all"
        assert node.send(image.dataset) == 0x0000
        assert node.commitment(image) == "promised"
        rows[damage]["re-sending"] = "0x0000, whole again and promised"
    return rows


def _ask(
    node: MatrixNode,
    shelf: Shelf,
    images: Mapping[str, StoredImage],
    keys: Mapping[str, Sequence[str]],
    names: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, str]]:
    """Damage the objects ``keys``, and ask every part; ``names`` are what fsck and backup call them.

    The node is paused while commands look: it would mend a result that a lane has met within seconds.
    """
    rows: dict[str, dict[str, str]] = {name: {} for name in images}
    node.pause()
    for damage, some in keys.items():
        for key in some:
            shelf.write(key, DAMAGES[damage](shelf.read(key) or b""))
    node.freeze()
    for name, image in images.items():
        rows[name]["reassess"] = node.reassess(image)
    plain, deep = node.fsck(), node.fsck("--deep")
    code, output = node.backup()
    doctor = node.doctor()
    node.go_on()
    for name, image in images.items():
        rows[name]["commitment"] = node.commitment(image)
    readiness = node.readiness()
    assert code == 1, output
    for name, labels in names.items():
        kinds = {kind: {fault for what, fault in faults.items() if any(one in what for one in labels)}
                 for kind, faults in (("fsck", plain), ("fsck --deep", deep))}  # fmt: skip
        assert kinds["fsck --deep"], f"{name}: fsck --deep does not see it"
        lines = {line.split()[0].strip(":") for line in output.splitlines() if any(one in line for one in labels)}
        assert lines, f"{name}: the backup does not name it: {output}"
        rows[name] |= {kind: " ".join(f"`{one}`" for one in sorted(faults)) or "does not see it"
                       for kind, faults in kinds.items()}  # fmt: skip
        rows[name] |= {"backup": f"exit code {code}, `{' '.join(sorted(lines))}`"}
        rows[name] |= {"doctor": doctor, "readiness": readiness}
    return rows
