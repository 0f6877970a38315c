"""A validator and a server of FHIR R4 from npm, pinned by package-lock.json: ``fhir`` and Medplum's router.

Medplum's router takes at most 8 entries where a transaction has conditional creates; ``server.cjs`` raises this.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).with_name("npm")
PACKAGE = ("package.json", "package-lock.json")


def installed() -> Path:
    """The folder with the packages; made once and kept in the user's cache."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "miqa-viewer" / f"fhir-{digest}"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            for name in PACKAGE:
                shutil.copy(HERE / name, folder)
            command = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            made = Path(folder) / "made"
            made.mkdir()
            (Path(folder) / "node_modules").rename(made / "node_modules")
            made.rename(cache)
    return cache


def faults(bundles: list[dict[str, Any]]) -> list[str]:
    """What is an error to either validator."""
    done = subprocess.run(
        _node("validate.cjs"), input=json.dumps(bundles), capture_output=True, text=True, check=True, env=_environment()
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


@contextmanager
def medplum() -> Iterator[str]:
    """The address of the server while it runs, with nothing in it."""
    with subprocess.Popen(_node("server.cjs"), stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def _node(script: str) -> list[str]:
    return ["node", str(HERE / script)]


def _environment() -> dict[str, str]:
    return os.environ | {"NODE_PATH": str(installed() / "node_modules")}
