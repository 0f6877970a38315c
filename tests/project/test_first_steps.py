"""Every block of README and tutorial, done as a newcomer would do it, in a checkout of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from pydicom import dcmread

from miqa_node.interfaces.cli.exits import Exit
from tests.conftest import ROOT, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.more

pytest.importorskip("data_store", reason="pydicom-data is not installed")
TUTORIAL = (ROOT / "docs" / "tutorial" / "first-flagged-study.md").read_text("utf-8")
LIMIT_S = 240.0


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(block: str) -> str:
    """The lines of a console block as a script."""
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    return "\n".join(lines)


class Serving:
    """``make run`` in its own process group, as in a terminal; ends with the test."""

    def __init__(self, script: str, folder: Path, environment: dict[str, str]) -> None:
        self.output = ""
        self.process = subprocess.Popen(
            ["bash", "-ec", script],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.output += line

    def says(self, text: str) -> str:
        wait_until(lambda: text in self.output or self.process.poll() is not None, LIMIT_S, f"it says {text!r}")
        assert text in self.output, self.output[-3000:]
        return self.output

    def end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files of this checkout, with its environment, as if ``make setup`` had just made it."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".venv") and entry.name not in {"miqa-data", ".git"}:
            (folder / entry.name).symlink_to(entry)
    environment = folder / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith(".ready"):
            (environment / entry.name).symlink_to(entry)
    for kind in ("cpu", "gpu"):
        (environment / f".ready-{kind}").touch()
    return folder


@pytest.fixture
def start(checkout: Path) -> Iterator[Callable[[str], Serving]]:
    started: list[Serving] = []
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "MIQA_"))}

    def begin(script: str) -> Serving:
        started.append(Serving(script, checkout, plain))
        return started[-1]

    yield begin
    for serving in started:
        serving.end(signal.SIGKILL)


@pytest.mark.long
def test_every_step_of_the_tutorial_can_be_done(checkout: Path, start: Callable[[str], Serving], samples: Path) -> None:
    run, enter, listing, explain, look, decide, send, assess, copy, again, crash = map(
        commands, blocks(TUTORIAL, "console")
    )
    [rule] = blocks(TUTORIAL, "toml")
    serving = start(run)
    output = serving.says("Serving until Ctrl-C.")
    [port] = re.findall(r"--dicom-port (\d+)", output.replace("\n", " "))

    def do(script: str) -> str:
        for old, new in (("MIQA@127.0.0.1:11112", f"MIQA@127.0.0.1:{port}"), ("2.25.…", uid)):
            script = script.replace(old, new)
        script = f"{enter}\n{script}"
        done = subprocess.run(["bash", "-ec", script], cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout

    uid = ""
    items = json.loads(do("miqa-node worklist list --json"))["items"]
    uid = next(item["study_instance_uid"] for item in items if item["accession_number"] == "SIM-MOTION")
    assert uid in do(listing)
    assert "REJECT" in do(explain)
    assert "SIMULATED" in do(look)
    do(decide)
    assert json.loads(do(f"miqa-node worklist show {uid} --json"))["resolved_by"] == "ann"
    shutil.copy(samples / "RG3_UNCR.dcm", checkout / "my-image.dcm")
    cv2.imwrite(str(checkout / "photo-of-a-film.png"), np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    do(send)
    assert "photo-of-a-film.png" in do(assess)

    do(copy)
    policy = checkout / "my-policy.toml"
    text = policy.read_text("utf-8").replace("\nversion = ", '\nversion = "2026-11-mine"  # ', 1)
    policy.write_text(f"{text}\n{rule}\n", "utf-8")
    serving.end(signal.SIGINT)
    assert "Stopping." in serving.output
    assert "FAILED" not in serving.output
    serving = start(again)
    serving.says("Serving until Ctrl-C.")
    disposition = json.loads(do(f"miqa-node explain {uid} --json"))["instances"][0]["disposition"]
    assert (disposition["verdict"], disposition["policy_version"]) == ("REVIEW", "2026-11-mine")

    kill, make = crash.splitlines()
    do(kill)
    assert serving.process.wait(LIMIT_S) != 0
    serving = start(make)
    serving.says("Serving until Ctrl-C.")
    reports = [dcmread(path) for path in (checkout / "miqa-data/demo/pacs").glob("SR-*.dcm")]
    about = [report.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID for report in reports]
    assert len(about) == len(set(about)) == 7

    # The terminal is closed: the node ends with it.
    node = psutil.Process(int((checkout / "miqa-data/demo/node/executor-miqa-1.lock").read_text()))
    serving.end(signal.SIGHUP)
    wait_until(lambda: not node.is_running() or node.status() == psutil.STATUS_ZOMBIE, LIMIT_S)


@pytest.mark.usefixtures("alone")
def test_a_node_ends_with_a_demonstration_that_is_killed(checkout: Path, start: Callable[[str], Serving]) -> None:
    serving = start("make run")
    serving.says("Serving until Ctrl-C.")
    node = psutil.Process(int((checkout / "miqa-data/demo/node/executor-miqa-1.lock").read_text()))
    children = node.children(recursive=True)
    serving.end(signal.SIGKILL)
    for process in (node, *children):
        wait_until(lambda process=process: not process.is_running() or process.status() == "zombie", LIMIT_S)  # type: ignore[misc]


def test_every_block_of_the_readme_can_be_done(
    checkout: Path, start: Callable[[str], Serving], samples: Path, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = [line.strip() for line in re.findall(r"^    (\S.*)$", readme, re.MULTILINE)]
    makes = [line.partition("#")[0].split() for line in lines if line.startswith("make ")]
    assert makes == [["make", "run"], ["make", "test"]]
    for line in makes:
        subprocess.run([line[0], "-n", *line[1:]], cwd=checkout, check=True, capture_output=True)

    venv, pip, export, run, *others = [line for line in lines if not line.startswith("make ")]
    assert (
        pip == "pip install '.[cpu]' ./packages/miqa-node-{phantoms,selftest,series} -c constraints.txt"
    )  # done by test_wheels
    shutil.copy(samples / "RG3_UNCR.dcm", checkout / "one.dcm")
    (tmp_path / "home").mkdir()
    port, web = free_port(), free_port()
    this_python = tmp_path / "programs" / "python3"
    this_python.parent.mkdir()
    this_python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    this_python.chmod(0o755)
    prepare = f"export HOME={tmp_path / 'home'} PATH={this_python.parent}:$PATH MIQA_WEB__PORT={web}\n{venv}"
    subprocess.run(["bash", "-ec", prepare], cwd=checkout, check=True)
    [site] = (tmp_path / "home").glob("miqa/lib/python*/site-packages")
    (site / "node.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    program = tmp_path / "home" / "miqa" / "bin" / "miqa-node"
    start_main = "if __name__ == '__main__':\n    main()\n"  # as pip writes it: worker processes import this file
    program.write_text(
        f"#!{program.with_name('python')}\nfrom miqa_node.interfaces.cli.__main__ import main\n\n{start_main}"
    )
    program.chmod(0o755)
    enter = f"export HOME={tmp_path / 'home'} MIQA_WEB__PORT={web}\n. ~/miqa/bin/activate\n{export}\n"
    serving = start(enter + "exec " + run.replace("11112", str(port)))
    serving.says("health http://")
    do = partial(subprocess.run, cwd=checkout, check=False, capture_output=True, text=True)
    second = do(["bash", "-c", enter + run.replace("11112", str(port))])
    assert second.returncode != 0
    assert f"process {serving.process.pid}" in second.stderr, second.stderr

    codes: dict[str, Any] = {}
    for line in others:
        done = do(["bash", "-c", enter + line])
        codes[line.partition("#")[0].strip()] = (done.returncode, done.stdout + done.stderr)
    doctor, assess, listing = codes.values()
    assert list(codes) == ["miqa-node doctor", "miqa-node assess *.dcm --json", "miqa-node worklist list"]
    assert doctor[0] in (Exit.OK, Exit.FAILED), codes
    assert (assess[0], listing[0]) == (Exit.OK, Exit.OK), codes
    assert serving.end(signal.SIGINT) == 0
