"""The secret key of pseudonyms: created once, in a file that only the node's own account can read."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from miqa_node.errors import SettingsError

KEY_BYTES = 32


def open_key(path: Path, secret: str) -> bytes:
    """The key from the settings, otherwise from the file, which is created if missing.

    Raises
    ------
    SettingsError
        The file cannot be created or read.
    """
    if secret:
        return hashlib.sha256(secret.encode()).digest()
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return bytes.fromhex(path.read_text("ascii").strip())
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
        return bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name} in node.data_dir cannot be used as the key of pseudonyms: {error}") from error
