"""Fetches the OHIF viewer from npm: one version, checked by its digest, and cached."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from miqa_node.errors import MiqaError, SettingsError

NAME, VERSION = "@ohif/app", "3.12.10"
SHA512 = "0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
FETCH_LIMIT_S = 300.0


def viewer_files(cache: Path | None = None) -> Path:
    """The folder with the viewer's ``index.html``; fetched once (50 MB); later runs need no network.

    Raises
    ------
    SettingsError
        npm is not installed.
    MiqaError
        npm could not fetch the package, or it is not the pinned one.
    """
    target = (cache or _user_cache()) / f"ohif-{VERSION}"
    if not target.exists():
        if shutil.which("npm") is None:
            raise SettingsError("npm is not installed, which the OHIF viewer comes from (Debian: apt-get install npm).")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            _unpack(_fetch(Path(work)))
            # Last, so an existing folder is always complete.
            (Path(work) / "package" / "dist").rename(target)
    return target


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "miqa-viewer"


def _fetch(work: Path) -> Path:
    command = ["npm", "pack", "--silent", "--ignore-scripts", f"{NAME}@{VERSION}"]
    try:
        packed = subprocess.run(  # noqa: S603 - a fixed command
            command, cwd=work, capture_output=True, text=True, timeout=FETCH_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MiqaError(f"npm did not fetch {NAME} within {FETCH_LIMIT_S:g} s.") from error
    archives = list(work.glob("*.tgz"))
    if packed.returncode != 0 or len(archives) != 1:
        raise MiqaError(f"npm cannot fetch {NAME}: {packed.stderr.strip()[-300:] or 'no package came'}")
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if digest != SHA512:
        raise MiqaError(f"{NAME} {VERSION} from npm is not the package that was pinned; it was thrown away.")
    return archives[0]


def _unpack(archive: Path) -> None:
    command = ["tar", "-xzf", archive.name, "package/dist"]
    subprocess.run(command, cwd=archive.parent, check=True)  # noqa: S603 - the digest says what is in it
