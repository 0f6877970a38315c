"""Secret keys, such as that of pseudonyms: created once, in files that only the node's own account can read."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from pathlib import Path

from miqa_node.core.files.whole_file import write_once
from miqa_node.errors import SettingsError

KEY_BYTES = 32
KEY_FILE = "pseudonym.key"
"""In ``node.data_dir``: the key of pseudonyms, unless ``analysis.pseudonym_key`` is set."""


def identity_of(data_dir: Path) -> str:
    """The random name of a data folder, made once, that tells its node from others; empty if none can be kept."""
    with suppress(SettingsError):
        return open_key(data_dir / "identity", "").hex()[:16]
    return ""


def open_key(path: Path, secret: str) -> bytes:
    """The key from the settings, otherwise from the file, which is created if missing.

    Raises
    ------
    SettingsError
        The file cannot be created or read, or is empty.
    """
    if secret:
        return hashlib.sha256(secret.encode()).digest()
    try:
        if not path.exists():
            write_once(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name} in node.data_dir cannot be used as a key: {error}") from error
    if not key:
        raise SettingsError(f"{path.name} in node.data_dir is empty.")
    return key
