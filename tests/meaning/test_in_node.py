"""REST of an instance and of its study, its page, and webhooks of a whole node say what the report of its PACS says."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from demo.samples import make_samples
from miqa_node.node import Node
from tests.conftest import free_port
from tests.meaning.checks import SAID_SIDE, VERDICTS
from tests.meaning.reader import RATING, Report, Statement, report_of
from tests.node.test_node import Pacs, get, pacs, settings_in, store
from tests.stages.deliver.receiver import receiver, secret_file
from tests.waiting import wait_until

pytestmark = [pytest.mark.more, pytest.mark.timeout(900)]

__all__ = ["pacs"]

WORDS = {"ACCEPT": "Accepted", "REVIEW": "Review", "REJECT": "Rejected", "NOT_ASSESSED": "Not assessed"}


class StudyPage(HTMLParser):
    """What a page of a study shows: its text, and the rows of its findings with the title of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.makers: list[tuple[str, str]] = []
        self._title: str | None = None
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._title = dict(attrs).get("title") if tag == "th" else None

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._title and data.strip():
            self.makers.append((data.strip(), self._title))
            self._title = None


def verdict_of(report: Report) -> str:
    return VERDICTS[report.groups[0].assessment]


def score_of(report: Report) -> float | None:
    return next((value for code, value, _ in report.groups[0].numbers if code == RATING), None)


def sides_of(texts: Iterator[str] | list[str]) -> set[str]:
    return set(SAID_SIDE.findall(" ".join(texts)))


def differences(report: Report, rest: Mapping[str, Any], page: StudyPage, event: Mapping[str, Any]) -> Iterator[str]:
    """Each statement of another surface that is not the report's."""
    [one] = rest["instances"]
    digest, assessment, disposition = one["instance"]["digest"], one["assessment"], one["disposition"]
    verdicts = {"REST": disposition["verdict"], "webhook": event["verdict"], "SR": verdict_of(report)}
    if len(set(verdicts.values())) > 1 or WORDS[verdicts["SR"]] not in page.text:
        yield f"verdicts: {verdicts}"
    scores = {"REST": assessment["score"], "webhook": event["score"], "SR": score_of(report)}
    if len({None if score is None else round(score, 1) for score in scores.values()}) > 1:
        yield f"scores: {scores}"
    comments = " ".join(report.groups[0].comments)
    for surface, reasons in (("REST", disposition["reasons"]), ("webhook", event["reasons"])):
        yield from (f"{surface}: {reason['text']}" for reason in reasons if reason["text"] not in comments)
    if len(rest["made_by"][digest]["reasons"]) != len(disposition["reasons"]):
        yield f"reasons of REST: {rest['made_by'][digest]['reasons']}"
    groups = {group.tracking: group for group in report.groups}
    for name, makers in rest["made_by"][digest]["findings"].items():
        if name in groups:
            yield from _makers(name, groups[name], makers)
    narrative = report.groups[0].narrative.split("\r\n")
    sides = {"REST": sides_of(rest["narratives"][digest]), "page": sides_of([page.text]), "SR": sides_of(narrative)}
    if not (sides["REST"] == sides["SR"] >= sides["page"]):
        yield f"sides: {sides}"


def _makers(name: str, group: Statement, makers: list[dict[str, str]]) -> Iterator[str]:
    [first] = group.algorithms
    if (first["name"], first["version"]) != (makers[0]["name"], makers[0]["version"]):
        yield f"{name}: {first}, and REST says {makers}"
    words = " ".join(first.values())
    yield from (f"{name}: without {one}" for one in makers[:1] if one["sha256"] not in words)
    yield from (f"{name}: without {one}" for one in makers[1:] if f"with {one['name']} {one['version']}" not in words)


def makers_on_page(page: StudyPage, rest: Mapping[str, Any]) -> Iterator[str]:
    """Every finding of the page names as many packages as REST, and the same."""
    [one] = rest["instances"]
    texts = [
        ", ".join(f"{maker['name']} {maker['version']}" for maker in makers)
        for makers in rest["made_by"][one["instance"]["digest"]]["findings"].values()
    ]
    yield from (f"page: {title}: {maker}" for title, maker in page.makers if maker not in texts)
    if texts and not page.makers:
        yield "page: nobody is named"


def page_of(port: int, study: str) -> StudyPage:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/studies/{study}") as answer:
        return StudyPage(answer.read().decode())


def test_all_surfaces_of_a_node_say_the_same(tmp_path: Path, pacs: Pacs) -> None:
    port, paths = free_port(), []
    for number, sample in enumerate(make_samples()):
        paths.append(tmp_path / f"{number}.dcm")
        paths[-1].write_bytes(sample.data)
    (tmp_path / "destinations.toml").write_text(
        f'[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {pacs.port}\nobjects = ["SR"]\n'
        f'[[destination]]\nname = "ris"\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/in"\n'
        f'secret_file = "{secret_file(tmp_path)}"\nevents = ["image.assessed"]\n'
    )
    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    with receiver(port) as ris, Node(settings_in(tmp_path)) as node:
        assert set(store(node.dicom_port, *paths)) == {0x0000}
        wait_until(lambda: len(pacs.objects) == len(paths) == len(ris.taken), limit_s=600)
        event_of = {one["data"]["image"]["sop_instance_uid"]: one["data"]["image"] for one in ris.events}
        wrong: dict[str, list[str]] = {}
        for source in sources:
            uid, study = str(source.SOPInstanceUID), str(source.StudyInstanceUID)
            rest, page = get(node.web_port, f"/api/v1/instances/{uid}")[1], page_of(node.web_port, study)
            of_study = get(node.web_port, f"/api/v1/instances/{study}")[1]
            report = report_of(_report_about(uid, pacs.objects))
            assert [one for one in of_study["instances"] if one["instance"]["header"]["sop_instance_uid"] == uid] == (
                rest["instances"]
            )
            wrong[uid] = [*differences(report, rest, page, event_of[uid]), *makers_on_page(page, rest)]
    assert {uid: ones for uid, ones in wrong.items() if ones} == {}


def _report_about(uid: str, objects: list[Dataset]) -> Dataset:
    """The report whose evidence is the image."""
    return next(one for one in objects if uid in re.findall(r"[0-9.]+", json.dumps(one.to_json_dict())))
