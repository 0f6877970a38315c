"""A machine of its own for commands as pages write them: folders, accounts and a network that nothing else sees.

``/opt``, ``/srv``, ``/mnt`` and ``/etc`` are a test's own (Linux namespaces, so it takes root), and the network has
nothing but the addresses of the pages. ``sudo`` and ``systemctl`` are small programs that do what pages ask of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from miqa_node import __version__
from tests.conftest import ROOT

INSTALL, UPGRADE = "install-at-a-site.md", "upgrade.md"
NEXT = ".".join([*__version__.split(".")[:2], str(int(__version__.split(".")[2]) + 1)])
"""The version that docs/how-to/upgrade.md upgrades to; here it is one in the making."""
ADDRESSES = ("192.0.2.10", "192.0.2.21")
"""The PACS and a modality of docs/how-to/install-at-a-site.md."""
SUDO = """#!/bin/sh
shift; user=$1; shift
exec runuser -u "$user" -- env HOME=/srv/miqa "$@"
"""
SYSTEMCTL = """#!/bin/sh
case $1 in enable|disable) verb=$([ "$1" = enable ] && echo start || echo stop); shift 2 ;; *) verb=$1; shift ;; esac
unit=/etc/systemd/system/$1.service
value() { sed -n "s/^$1=//p" "$unit"; }
stop() {
    [ -e /run/unit.pid ] || return 0
    kill "$(cat /run/unit.pid)"; while kill -0 "$(cat /run/unit.pid)" 2>/dev/null; do sleep 0.1; done; rm /run/unit.pid
}
start() {
    # shellcheck disable=SC2046
    setsid setpriv --reuid "$(value User)" --regid "$(value User)" --init-groups \
        env HOME=/srv/miqa $(value Environment) $(value ExecStart) >>/srv/log 2>&1 </dev/null &
    echo $! > /run/unit.pid
}
case $verb in start) start ;; stop) stop ;; restart) stop; start ;; *) exit 2 ;; esac
"""


class Machine:
    """Commands run on it one after the other, each in a folder of ``/srv/releases``."""

    def __init__(self, folder: Path) -> None:
        """Skips where this process may make no namespaces."""
        self.folder = folder
        self._others: list[subprocess.Popen[bytes]] = []
        for name in ("opt", "srv", "mnt", "run", "programs", "srv/releases", "mnt/backup"):
            (folder / name).mkdir(parents=True)
        shutil.copytree("/etc", folder / "etc", symlinks=True, ignore_dangling_symlinks=True)
        (folder / "etc" / "systemd" / "system").mkdir(parents=True, exist_ok=True)
        for name, text in {"sudo": SUDO, "systemctl": SYSTEMCTL}.items():
            (folder / "programs" / name).write_text(text)
            (folder / "programs" / name).chmod(0o755)
        mounts = [f"mount --bind {folder}/{name} /{name}" for name in ("opt", "srv", "mnt", "run", "etc")]
        network = ["ip link set lo up", *(f"ip address add {address}/32 dev lo" for address in ADDRESSES)]
        script = " && ".join([*mounts, *network, "echo ready && while sleep 1; do :; done"])
        unshare = [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "bash",
            "-c",
            script,
        ]
        self._holder = subprocess.Popen(unshare, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._holder.stdout is not None
        if (line := self._holder.stdout.readline()) != "ready\n":
            self._holder.communicate()
            pytest.skip(f"this process may make no machine of its own: {line}")
        [child] = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        self._enter = ["nsenter", "--target", child, "--mount", "--net", "--pid"]

    def does(self, script: str, folder: str = "/srv/releases", code: int = 0) -> str:
        """What a script says; it has to end with this exit code."""
        path = f"{self.folder}/programs:/usr/sbin:/usr/bin:/sbin:/bin"
        variables = {"PATH": path, "LANG": "C.UTF-8", "COLUMNS": "200", "HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"}
        run = [*self._enter, "bash", "-ec", f"cd {folder}\n{script}"]
        done = subprocess.run(run, env=variables, check=False, text=True, timeout=900, capture_output=True)
        assert done.returncode == code, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def node(self, words: str) -> str:
        """What the command of the version that is in use says, as the node's user."""
        return self.does(f"sudo -u miqa MIQA_CONFIG=/etc/miqa/miqa.toml /opt/miqa/bin/miqa-node {words}")

    def start(self, script: str) -> None:
        """Start a program of the installation's Python that stays, such as a PACS."""
        self._others.append(subprocess.Popen([*self._enter, "/opt/miqa/bin/python", "-c", script]))

    def close(self) -> None:
        """End all that runs on it."""
        self._holder.kill()
        self._holder.communicate()
        for program in self._others:
            program.kill()
            program.wait()


def commands(page: str, heading: str) -> list[str]:
    """Each console block below a heading of a page of ``docs/how-to``, as a script."""
    blocks = re.findall(r"```console\n(.*?)```", section(page, heading), re.DOTALL)
    return ["\n".join(line.removeprefix("# ") for line in block.splitlines()) for block in blocks]


def settings(page: str, heading: str) -> list[str]:
    """Each TOML block below a heading."""
    return re.findall(r"```toml\n(.*?)```", section(page, heading), re.DOTALL)


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    return re.split(r"\n## ", text.partition(f"\n## {heading}\n")[2])[0]


def room_of_namespaces() -> bool:
    """Whether this process may make them, and has a Python that other users can run."""
    return os.geteuid() == 0 and all(map(shutil.which, ("unshare", "nsenter", "ip", "runuser", "useradd")))


def made(folder: Path, *words: str, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What `make dist` does and says."""
    make = ["make", "--silent", "-o", "setup", "dist", f"DIST={folder}", f"VENV={sys.prefix}", *words]
    return subprocess.run(make, cwd=checkout, check=False, capture_output=True, text=True)
