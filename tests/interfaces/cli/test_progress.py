"""Long commands show at a terminal how far they are, and nothing of it in pipes or beside JSON."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from miqa_node.core.observe.progress import counted, tell
from miqa_node.interfaces.cli import progress_bar
from miqa_node.interfaces.cli.progress_bar import JSON, progress_shown
from tests.interfaces.cli.conftest import Ran

pytestmark = pytest.mark.more


class Terminal(io.StringIO):
    """What a person sees."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Puts a terminal in the place of stderr; only within the test, since pytest puts its own there before."""

    def put() -> Terminal:
        screen = Terminal()
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    monkeypatch.setenv("TERM", "xterm")
    return put


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        shutil.copy(str(get_testdata_file("CT_small.dcm")), folder / name)
    return folder


def _deidentify(cli: Callable[..., Ran], images: Path, *options: str) -> Ran:
    key = images.parent / "key"
    key.write_bytes(b"a key that is long enough")
    return cli("deidentify", images, images.parent / "out", "--key", key, *options)


def test_a_terminal_shows_how_far_a_command_is(
    cli: Callable[..., Ran], images: Path, terminal: Callable[[], Terminal]
) -> None:
    screen = terminal()
    ran = _deidentify(cli, images)

    assert ran.code == 0
    assert "De-identifying" in screen.getvalue()
    assert " of 3" in screen.getvalue()
    assert "De-identifying" not in ran.out
    assert "3 of 3 images were written" in ran.out


def test_json_comes_alone(cli: Callable[..., Ran], images: Path, terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    assert _deidentify(cli, images, "--json").json["written"] == 3
    assert screen.getvalue() == ""


def test_a_pipe_gets_the_results_only(cli: Callable[..., Ran], images: Path) -> None:
    ran = _deidentify(cli, images)

    assert (ran.code, ran.err) == (0, "")
    assert "De-identifying" not in ran.out


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for every_s, meta, lines in ((0.0, {}, 2), (3600.0, {}, 0), (0.0, {JSON: True}, 0)):
        monkeypatch.setattr(progress_bar, "LINE_EVERY_S", every_s)
        with progress_shown(meta):
            tell("Training", 0.5, 1.0, "epoch 1 of 2, loss 0.457")
            tell("Training", 0.9, 1.0, "epoch 2 of 2, loss 0.321")
            tell("Training", 1.0, 1.0)
        text = capsys.readouterr().err
        assert len(text.splitlines()) == lines
        assert not lines or "Training: epoch 1 of 2, loss 0.457" in text


def test_a_command_that_fails_gives_the_terminal_back(terminal: Callable[[], Terminal]) -> None:
    screen, out = terminal(), sys.stdout
    with pytest.raises(ZeroDivisionError), progress_shown({}):
        for number in counted(range(3), "Counting"):
            assert 1 // (1 - number)
    assert "0 of 3" in screen.getvalue()
    assert (sys.stdout, sys.stderr) == (out, screen)
    before = screen.getvalue()
    tell("Counting", 1, 3)
    assert screen.getvalue() == before, "nobody listens any more"


def test_work_within_work_has_bars_of_its_own(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    with progress_shown({JSON: False}):
        for _ in counted("ab", "Outer"):
            for _ in counted("xyz", "Inner"):
                pass
        tell("Training", 0.5, 1.0, "epoch 1 of 2, loss 0.457")
    for words in ("Outer", "Inner", "epoch 1 of 2, loss 0.457", "left"):
        assert words in screen.getvalue()
