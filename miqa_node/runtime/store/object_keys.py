"""The keys of the objects that the node keeps, by image and result. They are defined only here."""

from __future__ import annotations

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.runtime.store.disk import ORIGINALS


def original_key(digest: InstanceDigest) -> str:
    """The DICOM file as it was received."""
    return _key(ORIGINALS, digest, f"{digest}.dcm")


def preview_key(digest: InstanceDigest) -> str:
    """The small PNG that pages show."""
    return _key("previews", digest, f"{digest}.png")


def maps_key(digest: InstanceDigest, generation: int = 0) -> str:
    """The saliency maps of a judgement."""
    return _key("maps", digest, f"{digest}{_again(generation)}.npz")


def snapshot_key(digest: InstanceDigest, generation: int = 0) -> str:
    """The snapshot of the instance's series at a judgement; the instance represents the series."""
    return _key("series", digest, f"{digest}{_again(generation)}.npz")


def result_key(digest: InstanceDigest, sop_instance_uid: str, sha256: str = "") -> str:
    """A DICOM object made for the instance; with the digest of its file if the key without is taken by other bytes."""
    return _key("results", digest, f"{sop_instance_uid}{sha256 and f'-{sha256[:16]}'}.dcm")


def uid_of_result(object_key: str) -> str:
    """The SOP Instance UID of the object."""
    return object_key.rpartition("/")[2].removesuffix(".dcm").partition("-")[0]


def _again(generation: int) -> str:
    return f".{generation}" if generation else ""


def _key(kind: str, digest: InstanceDigest, name: str) -> str:
    return f"{kind}/{digest[:2]}/{name}"
