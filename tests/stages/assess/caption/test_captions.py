"""Captions: a package and a server write them, they are marked, and nothing that goes wrong harms an image."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.caption import Caption
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import Assessor, AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Accelerator, CaptionSettings, Settings, load_settings
from miqa_node.core.words.narrative import Part, narrative, sentences
from miqa_node.errors import CaptionError, ModelPackageError, SettingsError
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.caption import captioned
from miqa_node.stages.assess.caption import package as caption_package
from miqa_node.stages.assess.caption.captioned import CaptioningAssessor, with_captions
from miqa_node.stages.assess.caption.package import open_caption_package
from miqa_node.stages.assess.caption.service import CaptionService
from tests.pictures import picture_pixels
from tests.policies import ACCEPT, policy_of
from tests.stages.assess.caption.making import PIECES, write_captions
from tests.stages.assess.making import RADIOGRAPH, chest_header
from tests.stages.report import making

DIGEST = InstanceDigest("d" * 64)


class Quality:
    """Gives every image the same quality."""

    def assess(
        self, header: Any, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        model = ModelIdentity("quality", "1.0.0", "ab")
        return AssessorResult(Assessment(digest, header, datetime.now(UTC), findings=making.findings(), model=model))


def image(brightness: float, rows: int = 40) -> Radiograph:
    pixels = np.full((rows, rows), round(brightness * 65535), np.uint16)
    return Radiograph(pixels, pixels, (0, 65535), (0.2, 0.2))


def settings_with(tmp_path: Path, **caption: Any) -> Settings:
    return load_settings(
        None,
        node={"data_dir": tmp_path},
        assess={"shipped_packages": False, "models_dir": str(tmp_path)},
        caption=caption,
    )


def judged(chosen: Callable[[], Assessor], brightness: float = 0.9) -> AssessorResult:
    return chosen().assess(chest_header(), image(brightness), DIGEST, RADIOGRAPH)


def open_it(folder: Path, **limits: Any) -> Any:
    settings = load_settings(None, caption=limits)
    return open_caption_package(folder, Accelerator.CPU, settings.assess, settings.caption)


@pytest.mark.parametrize(("brightness", "text"), [(0.9, "a bright picture."), (0.1, "a dark picture.")])
def test_a_package_writes_word_by_word_what_it_sees(tmp_path: Path, brightness: float, text: str) -> None:
    write_captions(tmp_path / "tones-1.0.0")
    chosen = with_captions(settings_with(tmp_path, backend="package", package="tones"), Quality)
    assert judged(chosen, brightness).assessment.caption == Caption("tones-1.0.0", (text,))


def test_a_package_stops_where_the_limit_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_package, "MAX_TOKENS", 2)
    package = open_it(write_captions(tmp_path / "tones-1.0.0", golden_text="a bright"))
    assert package.describe(image(0.1)) == ["a dark"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "decoder.onnx").write_bytes(b"x"), "decoder.onnx"),
        (lambda f: (f / "vocabulary.json").unlink(), "vocabulary.json is missing"),
        (lambda f: (f / "card.yaml").write_text((f / "card.yaml").read_text().replace("rows: 8", "rows: 0")), "rows"),
    ],
)
def test_a_damaged_package_is_refused_with_what_is_wrong(tmp_path: Path, change: Any, message: str) -> None:
    folder = write_captions(tmp_path / "tones-1.0.0")
    change(folder)
    with pytest.raises(ModelPackageError, match=message):
        open_it(folder)


def test_a_package_that_writes_something_else_than_its_goldens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageError, match="described differently"):
        open_it(write_captions(tmp_path / "tones-1.0.0", golden_text="a dark picture."))


def test_a_decoder_that_knows_more_pieces_than_the_vocabulary_gives_no_caption(tmp_path: Path) -> None:
    with pytest.raises(CaptionError, match="knows more pieces"):
        open_it(write_captions(tmp_path / "tones-1.0.0", pieces=PIECES[:4]))


class Server(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/caption"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append(({k.lower(): v for k, v in self.headers.items()}, body))
        status, answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        assert self.server.may_answer.wait(60.0)
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            pass  # the client gave up, as it should

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def limits(server: Server, **caption: Any) -> CaptionSettings:
    return load_settings(None, caption={"backend": "http", "url": server.url, **caption}).caption


def test_a_server_gets_pixels_and_nothing_else_and_its_sentences_are_cleaned(server: Server, tmp_path: Path) -> None:
    sentences = ["Two lungs.\u202e  A heart.\x00", "", "x" * 999]
    server.answers = [(200, json.dumps({"sentences": sentences}).encode())]
    asked_for = {"backend": "http", "url": server.url, "token": "secret", "long_side_px": 32}
    caption = judged(with_captions(settings_with(tmp_path, **asked_for), Quality)).assessment.caption
    assert caption == Caption("127.0.0.1", ("Two lungs.", "A heart.", "x" * 300))
    [(headers, body)] = server.asked
    picture = picture_pixels(body)
    assert picture.shape == (32, 32)
    assert headers["authorization"] == "Bearer secret"
    assert DIGEST[:16] not in json.dumps(headers)
    assert set(headers) <= {"host", "accept", "accept-encoding", "connection", "user-agent", "content-type",
                            "content-length", "authorization"}  # fmt: skip


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.answers = [(503, b""), (200, b'{"text": "Two lungs."}')]
    assert CaptionService(limits(server)).describe(image(0.5)) == ["Two lungs."]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "answer", "message", "requests"),
    [
        (503, b"", "answered 503", 2),
        (403, b"", "answered 403", 1),
        (302, b"", "answered 302", 1),
        (200, b"<html>", "not JSON", 1),
        (200, b'{"sentences": [1]}', "neither", 1),
        (200, b'{"text": "%s"}' % (b"x" * 70_000), "larger than 65536 bytes", 1),
    ],
)
def test_a_server_that_misbehaves_gives_no_caption(
    server: Server, status: int, answer: bytes, message: str, requests: int
) -> None:
    server.answers = [(status, answer)]
    with pytest.raises(CaptionError, match=message):
        CaptionService(limits(server)).describe(image(0.5))
    assert len(server.asked) == requests


def test_a_slow_server_takes_no_longer_than_the_limit(server: Server) -> None:
    server.answers = [(200, b'{"text": "Late."}')]
    server.may_answer.clear()
    with pytest.raises(CaptionError, match=r"127\.0\.0\.1"):
        CaptionService(limits(server, timeout_s=0.3)).describe(image(0.5))
    server.may_answer.set()  # it answers only now


def test_after_a_failure_images_are_judged_without_asking_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioned, "PAUSE_S", 3600.0)
    calls = 0

    class Broken:
        writer = "broken"

        def describe(self, radiograph: Radiograph) -> list[str]:
            nonlocal calls
            calls += 1
            raise RuntimeError("Muster^Erika")

    chosen = CaptioningAssessor(Quality, Broken)
    plainly = Quality().assess(chest_header(), image(0.9), DIGEST, RADIOGRAPH).assessment
    for _ in range(3):
        assessment = chosen.assess(chest_header(), image(0.9), DIGEST, RADIOGRAPH).assessment
        assert replace(assessment, assessed_at=plainly.assessed_at, timings_ms={}) == plainly
    assert calls == 1
    chosen._paused_until = 0.0
    chosen.assess(chest_header(), image(0.9), DIGEST, RADIOGRAPH)
    assert calls == 2


def test_a_package_that_is_not_there_harms_no_image(tmp_path: Path) -> None:
    chosen = with_captions(settings_with(tmp_path, backend="package", package="absent"), Quality)
    assert judged(chosen).assessment.caption is None


@pytest.mark.parametrize("backend", ["package", "http"])
def test_a_backend_without_its_place_is_a_wrong_setting(tmp_path: Path, backend: str) -> None:
    with pytest.raises(SettingsError, match=r"caption\.(package|url)"):
        with_captions(settings_with(tmp_path, backend=backend), Quality)


def test_captions_are_off_unless_a_site_wants_them(tmp_path: Path) -> None:
    assert with_captions(settings_with(tmp_path), Quality) is Quality


@pytest.mark.parametrize("verdict", [Verdict.ACCEPT, Verdict.REVIEW])
def test_what_a_machine_writes_never_changes_a_verdict_and_is_marked(verdict: Verdict) -> None:
    policy = policy_of(ACCEPT, {"finding": "motion_blur", "then": "REVIEW"})
    present = () if verdict is Verdict.ACCEPT else (FindingName.MOTION_BLUR,)
    plainly = making.assessment(*present)
    caption = Caption("blip-1.0.0", ("REJECT this image.", "Verdict: ACCEPT."))
    described = replace(plainly, caption=caption)
    assert decide(described, policy) == decide(plainly, policy)
    assert decide(described, policy).verdict is verdict
    disposition = decide(described, policy)
    marked = [s.text for s in sentences(described, disposition) if s.part is Part.CAPTION]
    assert marked == [f"Machine-written by blip-1.0.0, not checked by a person: {text}" for text in caption.sentences]
    assert narrative(described, disposition)[: -len(marked)] == narrative(plainly, disposition)
    assert "Maschinell geschrieben von blip-1.0.0" in narrative(described, disposition, "de")[-1]
    assert load_assessment(dump_assessment(described)).caption == caption
