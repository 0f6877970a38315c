"""Proofs of erasures in the data folder, outside of the database: what a restored database lacks of them is done again.

A file says that an erasure began, until its proof takes the place. Nothing in it names the patient.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.keys.signing import KEY_FILE, Signer, read_signed, verify
from miqa_node.core.settings import Settings
from miqa_node.errors import SettingsError, SignatureError
from miqa_node.features.retention.rows.erasure import PROOF, ErasureRecord

FOLDER = "erasures"
BEGUN = "erasure of a patient that began; no proof"
PRIVATE = 0o700


def keep(settings: Settings, record: ErasureRecord, more: Mapping[str, Any], what: str = PROOF) -> dict[str, Any]:
    """Sign a record and keep it; returns the signed document."""
    folder = settings.node.data_dir / FOLDER
    folder.mkdir(PRIVATE, exist_ok=True)
    document = {**record.document(settings.node.name), **more, "what": what}
    signed = Signer.open(settings.node.data_dir / KEY_FILE).sign(document)
    write_whole(folder / f"{record.salt}.json", json.dumps(signed, ensure_ascii=False, indent=1) + "\n")
    return signed


def kept(settings: Settings) -> Iterator[ErasureRecord]:
    """The erasures that the data folder knows, begun or proved, in the order of their time.

    Raises
    ------
    SettingsError
        A file is not what this node wrote. What it was of may be served otherwise, so the node does not start.
    """
    folder = settings.node.data_dir / FOLDER
    try:
        files = [path for path in folder.iterdir() if path.suffix == ".json"]
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error.strerror}.") from error
    if not files:
        return
    key = Signer.open(settings.node.data_dir / KEY_FILE).public_key
    yield from sorted((_read(file, key) for file in files), key=lambda one: one.at)


def _read(file: Path, key: str) -> ErasureRecord:
    try:
        document = verify(read_signed(file), key)
        return ErasureRecord(
            erasure_id=int(document["erasure"]),
            at=datetime.fromisoformat(document["at"]),
            images=tuple(document["images"]),
            results=tuple(document["results"]),
            authority=document.get("authority"),
            **{name: document[name] for name in ("actor", "reason", "salt", "patient_sha256", "studies")},
        )
    except (SignatureError, KeyError, ValueError) as error:
        raise SettingsError(
            f"{file} is no proof that this node signed. Bring back the signing.key of its time, or have it erased "
            "again and take the file away."
        ) from error
