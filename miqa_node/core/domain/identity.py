"""Objects without Study or Series Instance UID, which are Type 1 (PS3.3 C.7.2.1, C.7.3.1): each is a separate unit.

The node replaces a missing UID by a surrogate made from the digest of the object. So two such objects never share a
study, and each can be listed, opened and corrected. No result with a surrogate UID leaves the node.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace

from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, StudyInstanceUid, StudyRecord


def with_surrogates(header: Header, study: StudyRecord, digest: InstanceDigest) -> tuple[Header, StudyRecord]:
    """Header and study with surrogates for missing UIDs; without Study Instance UID, the series gets one, too."""
    uids = {"Study Instance UID": header.study_instance_uid, "Series Instance UID": header.series_instance_uid}
    missing = tuple(name for name, uid in uids.items() if not uid)
    if not missing:
        return header, study
    study_uid = header.study_instance_uid or StudyInstanceUid(surrogate_uid(digest, "study"))
    series_uid = SeriesInstanceUid(surrogate_uid(digest, "series"))
    header = replace(header, study_instance_uid=study_uid, series_instance_uid=series_uid, missing_uids=missing)
    return header, replace(study, study_instance_uid=study_uid)


def surrogate_uid(digest: InstanceDigest, level: str) -> str:
    """A UID of the UUID form (PS3.5 B.2) that is always the same for the same object.

    >>> surrogate_uid(InstanceDigest("ab"), "study")
    '2.25.202882986024914683101380180447031941269'
    """
    seed = hashlib.sha256(f"{digest} has no {level} instance uid".encode()).digest()
    return f"2.25.{uuid.UUID(bytes=seed[:16], version=4).int}"
