"""axe-core, which finds what people with disabilities stumble over; from npm, pinned by the SHA-512 of its package."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

RUN = """tags => axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(found => found.violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')} ${node.failureSummary}`)))"""


def axe_source() -> str:
    """The script; fetched once and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "miqa-viewer" / f"axe-core-{VERSION}.js"
    if not cache.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            packed = subprocess.run(
                ["npm", "pack", "--silent", f"axe-core@{VERSION}"],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            )
            archive = Path(folder) / packed.stdout.split()[-1]
            digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            assert digest == SHA512, "axe-core is not the package that was pinned"
            with tarfile.open(archive) as tar:
                member = tar.extractfile("package/axe.min.js")
                assert member is not None
                cache.write_bytes(member.read())
    return cache.read_text("utf-8")


def faults(page: Any) -> list[str]:
    """What axe-core finds on the page as it stands, by the rules of WCAG 2.2 AA and its own best practice."""
    page.wait_for_load_state("load")  # without its sheet of styles nothing has its size
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe_source())
    return [str(fault) for fault in page.evaluate(RUN, WCAG_22_AA)]
