"""What a plan promises is what a receiver gets: each profile's kinds, of flagged images only where it says so."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import ExplicitVRLittleEndian
from typer.testing import CliRunner

from demo.samples import make_samples
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import app
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.destinations import parse_destinations
from miqa_node.stages.deliver.kinds.base import ObjectsConfig
from miqa_node.stages.report.outputs.base import OUTPUTS
from miqa_node.stages.report.outputs.seg import OUTPUT as SEG
from miqa_selftest.census import Census, of_site
from miqa_selftest.command.plan import profiles, received
from miqa_selftest.encodings import ENCODINGS
from miqa_selftest.launch import NodeProcess
from miqa_selftest.outcome import modality_target
from miqa_selftest.phantoms import KINDS, PhantomDefect
from miqa_selftest.radiographs import SampleImage
from miqa_selftest.run import _check
from miqa_selftest.send import send
from tests.waiting import wait_until

OWN_MARGIN = 0.01
"""Of the bytes that a plan says where the site made the kinds; a folder's files are what the rows count."""
USUAL_FACTOR = 2.5
"""Where it made none, sizes are those of another radiograph."""
KINDS_OF = {
    "flagged-only": {"SR", "SEG", "KOS"},
    "all": {"SR", "SEG", "KOS"},
    "airai": {"SR", "SEG", "KOS", "AIRAI"},
    "legacy-viewer": {"SR", "KOS", "SC", "GSPS", "PDF"},
    "statistics-only": set[str](),
}


def plan(*arguments: str) -> Any:
    outcome = CliRunner().invoke(app, ["destinations", "plan", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.stdout) if "--json" in arguments else outcome.stdout


def test_without_an_image_it_says_what_it_assumes_and_shows_each_profile(tmp_path: Path) -> None:
    text = plan("--data-dir", str(tmp_path))
    assert text.startswith("For 100 images a day, 15% of them flagged, by\nradiographs of 2048 × 2048")
    assert max(map(len, text.expandtabs(2).splitlines())) <= 100
    document = plan("--data-dir", str(tmp_path), "--json", "--images-a-day", "1000")
    assert document["from"] == "usual sizes"
    got = {name: set(table["objects"]) for name, table in document["destinations"].items()}
    assert got == KINDS_OF
    flagged, every = (document["destinations"][name] for name in ("flagged-only", "all"))
    assert every["objects_a_day"] - flagged["objects_a_day"] == 850
    assert every["objects"]["SR"]["bytes_a_year"] == 365 * every["objects"]["SR"]["bytes_a_day"]


def test_destinations_in_force_are_planned_for_and_a_profile_in_their_place(tmp_path: Path) -> None:
    table = f'[[destination]]\nname = "share"\nkind = "folder"\nfolder = "{tmp_path}"\nobjects = ["SR_FULL"]\n'
    (tmp_path / "destinations.toml").write_text(table)
    assert set(plan("--data-dir", str(tmp_path), "--json")["destinations"]) == {"share"}
    assert set(plan("--data-dir", str(tmp_path), "--profile", "all", "--json")["destinations"]) == {"all"}
    outcome = CliRunner().invoke(app, ["destinations", "plan", "--data-dir", str(tmp_path), "--profile", "al"])
    assert str(outcome.exception) == f"There is no profile al; there are {', '.join(sorted(KINDS_OF))}."


@dataclass(frozen=True)
class TriedSite:
    """A node that sent to a folder for each profile, and what it recorded."""

    folder: Path
    census: Census
    flagged: frozenset[str]

    def arrivals(self, profile: str) -> list[tuple[str, pydicom.FileDataset, int]]:
        """Each object that came: its kind, content and bytes."""
        kinds = {9905: "SC"} | {
            one.series_number: str(one.kind) for one in OUTPUTS.all().values() if "SC" not in one.kind
        }
        files = sorted((self.folder / profile).glob("*.dcm"))
        objects = [(pydicom.dcmread(path), path.stat().st_size) for path in files]
        return [(kinds[int(one.SeriesNumber)], one, size) for one, size in objects]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TriedSite:
    folder = tmp_path_factory.mktemp("site")
    text = ""
    for name, path in profiles().items():
        (folder / name).mkdir()
        [config] = parse_destinations(path)
        assert isinstance(config, ObjectsConfig)
        listed = "" if config.objects is None else f"objects = {json.dumps(list(map(str, config.objects)))}\n"
        text += f'[[destination]]\nname = "{name}"\nkind = "folder"\nfolder = "{folder / name}"\n{listed}'
        text += "flagged_only = true\n" if config.flagged_only else ""
    (folder / "node").mkdir()
    (folder / "node" / "destinations.toml").write_text(text)
    images = demonstration()
    quiet = {f"MIQA_WORK__{kind.modality}_QUIET_S": "1" for kind in KINDS if kind.is_slice}
    with NodeProcess(folder / "node", "MIQAPLAN", 0, 0, environment=quiet) as node:
        sent = send(images, modality_target(node), load_settings().deliver)
        assert [one.error for one in sent if one.error] == []
        wait_until(lambda: all(verdict(node, one) for one in images))
        for item in node.worklist():
            arguments = [
                "worklist",
                "resolve",
                item["study_instance_uid"],
                "confirmed",
                "--data-dir",
                str(folder / "node"),
            ]
            assert CliRunner().invoke(app, arguments).exit_code == 0
        database = Database(f"sqlite:///{folder / 'node' / 'miqa.sqlite'}")
        wait_until(lambda: is_done(database, len(node.worklist())))
        flagged = frozenset(one.sop_instance_uid for one in images if verdict(node, one) in {"REVIEW", "REJECT"})
    with database.begin() as transaction:
        census = of_site(transaction, datetime.now(UTC))
    database.close()
    assert census is not None
    return TriedSite(folder, census, flagged)


def demonstration() -> list[SampleImage]:
    """Radiographs with and without defects, and a phantom of each other modality, some of them blank."""
    plain = next(one for one in ENCODINGS if one.syntax == ExplicitVRLittleEndian)
    kinds = [(kind, defect) for kind in KINDS for defect in (PhantomDefect.NONE, PhantomDefect.BLANK)]
    return [*make_samples(), *(_check(kind, defect, plain).outcome.sample for kind, defect in kinds)]


def verdict(node: NodeProcess, image: SampleImage) -> str:
    disposition = (node.instance(image.sop_instance_uid) or {}).get("disposition") or {}
    return str(disposition.get("verdict", ""))


def is_done(database: Database, decided: int) -> bool:
    """Whether each decision is reported, and everything has arrived."""
    reported = sa.select(sa.func.count()).where(tables.decisions.c.reported_at.is_not(None))
    waits = sa.select(sa.func.count()).where(tables.deliveries.c.sent_at.is_(None))
    with database.begin() as transaction:
        return transaction.execute(reported).scalar_one() == decided and not transaction.execute(waits).scalar_one()


@pytest.mark.more
@pytest.mark.parametrize("profile", KINDS_OF)
def test_a_profile_sends_its_kinds_of_flagged_images_only_where_it_says_so(site: TriedSite, profile: str) -> None:
    arrivals = site.arrivals(profile)
    assert {kind for kind, *_ in arrivals} == KINDS_OF[profile]
    about = {uid for kind, report, _ in arrivals if kind == "SR" for uid in evidence(report)}
    if profile in {"flagged-only", "legacy-viewer"}:
        assert about == site.flagged
    elif KINDS_OF[profile]:
        assert about > site.flagged


def evidence(report: pydicom.FileDataset) -> set[str]:
    """The judged images: segmentations among the evidence are the node's own."""
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    named = [one for series in study.ReferencedSeriesSequence for one in series.ReferencedSOPSequence]
    return {one.ReferencedSOPInstanceUID for one in named if one.ReferencedSOPClassUID != SEG.sop_class_uid}


@pytest.mark.more
@pytest.mark.parametrize("made", ["all kinds", "default kinds"])
@pytest.mark.parametrize("profile", KINDS_OF)
def test_a_receiver_gets_what_the_plan_says(site: TriedSite, profile: str, made: str) -> None:
    groups = [one for one in site.census.groups if made == "all kinds" or one.kind in default_kinds()]
    [config] = parse_destinations(profiles()[profile])
    assert isinstance(config, ObjectsConfig)
    planned = received(replace(site.census, groups=tuple(groups)), config, site.census.count)
    arrivals = site.arrivals(profile)
    counts = Counter(kind for kind, *_ in arrivals)
    assert {kind: of["objects_a_day"] for kind, of in planned["objects"].items()} == dict(counts)
    for kind, of in planned["objects"].items():
        size = sum(size for one, _, size in arrivals if one == kind)
        if any(one.kind == kind for one in groups):
            assert of["bytes_a_day"] == pytest.approx(size, rel=OWN_MARGIN)
        else:
            assert size / USUAL_FACTOR <= of["bytes_a_day"] <= size * USUAL_FACTOR
    assert planned["objects_a_day"] == len(arrivals)
