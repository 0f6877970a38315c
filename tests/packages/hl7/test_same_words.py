"""What a whole node says of the demonstration, a CT and an MR series is the same in each form, read by other code.

``CHANNELS`` has the forms: a further one has a table, a listener and a reader of what it takes.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
import pytest
from pydicom.uid import UID

from demo.samples import make_samples
from miqa_node.node import Node
from tests.node.test_node import settings_in, store
from tests.packages.hl7.fhir_standin import standing_in
from tests.packages.hl7.reading import LATERALITY, Fact, read_oru, read_sr
from tests.packages.hl7.reading_fhir import read_fhir
from tests.packages.hl7.receiving import receiving
from tests.stages.measure.series import making
from tests.waiting import wait_until

pytestmark = [pytest.mark.more, pytest.mark.long]

NOT_SENT = {"99MIQA:SEVERITY", "99MIQA:ANOMALY_SCORE", "99MIQA:ANOMALY_TRAINING"}
"""Numbers of the report with all numbers that messages lack."""
MOST_REASONS = 25
"""Facts of a report without all numbers."""
MESSAGE = (
    '[[destination]]\nname = "{name}"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {port}\ntls = false\non = "all"\n'
    'template = "{folder}/{name}.toml"\n'
)
BUNDLE = '[[destination]]\nname = "{name}"\nkind = "fhir"\nurl = "http://127.0.0.1:{port}/fhir"\non = "all"\n'


class Channel(NamedTuple):
    name: str
    table: str
    listen: Callable[[], AbstractContextManager[Any]]
    """Has ``port``, and ``taken``: the bodies that came."""
    read: Callable[[bytes], tuple[str, set[Fact]]]
    is_full: bool = False


CHANNELS = [
    Channel("ris", MESSAGE, receiving, read_oru),
    Channel("research", MESSAGE, receiving, read_oru, is_full=True),
    Channel("r5", BUNDLE, standing_in, read_fhir),
    Channel("r5_full", BUNDLE + 'numbers = "all"\n', standing_in, read_fhir, is_full=True),
    Channel("r4", BUNDLE + 'release = "R4"\n', standing_in, read_fhir),
]


@dataclass
class Spoken:
    """All that was said: facts by unit, in the order in which they came, of reports by whether they are full."""

    reports: dict[tuple[str, bool], list[set[Fact]]] = field(default_factory=dict)
    messages: dict[tuple[str, str], list[set[Fact]]] = field(default_factory=dict)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)


def images(folder: Path) -> list[Path]:
    paths = []
    for number, sample in enumerate(make_samples()):
        paths.append(folder / f"sample{number}.dcm")
        paths[-1].write_bytes(sample.data)

    def another(dataset: pydicom.FileDataset) -> None:
        dataset.StudyInstanceUID += ".7"
        dataset.SeriesInstanceUID += ".7"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{dataset.SOPInstanceUID}.7")
        dataset.BodyPartExamined, dataset.PatientID = "HEAD", "M1"

    slices = [making.body_ct(seed=number) for number in range(5)]
    paths += making.write_series(folder / "ct", slices, "CT", places_mm=[0, 5, 10, 20, 25])
    heads = [making.head_mr(seed=number) for number in range(5)]
    return paths + making.write_series(folder / "mr", heads, "MR", change=another)


def post(port: int, path: str, **body: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    folder = tmp_path_factory.mktemp("site")
    (folder / "reports").mkdir()
    (folder / "ris.toml").write_text("")
    (folder / "research.toml").write_text('numbers = "all"\n')
    files, spoken = images(folder), Spoken()
    units = len(make_samples()) + 2
    with ExitStack() as stack:
        listeners = {one.name: stack.enter_context(one.listen()) for one in CHANNELS}
        tables = [one.table.format(name=one.name, port=listeners[one.name].port, folder=folder) for one in CHANNELS]
        files_table = f'[[destination]]\nname = "files"\nkind = "folder"\nfolder = "{folder}/reports"\n'
        (folder / "destinations.toml").write_text(f'{files_table}objects = ["SR", "SR_FULL"]\n' + "".join(tables))
        settings = settings_in(
            folder, policy={"learn_images": 0, "silent_days": 0}, work={"study_quiet_s": 0.3},
            node={"data_dir": folder, "language": "de", "site": "St. Ännä"},
        )  # fmt: skip

        def have(count: int) -> bool:
            reports = list((folder / "reports").glob("*.dcm"))
            return len(reports) == 2 * count and all(len(one.taken) == count for one in listeners.values())

        with Node(settings) as node:
            assert set(store(node.dicom_port, *files)) == {0x0000}
            wait_until(lambda: have(units), 240.0)
            study = str(pydicom.dcmread(files[2]).StudyInstanceUID)
            post(node.web_port, f"/api/v1/worklist/{study}/resolve", actor="mara", resolution="retaken", comment="x|y")
            wait_until(lambda: have(units + 1))
        for channel in CHANNELS:
            spoken.bodies[channel.name] = list(listeners[channel.name].taken)
            for body in spoken.bodies[channel.name]:
                unit, facts = channel.read(body)
                spoken.messages.setdefault((channel.name, unit), []).append(facts)
    for path in sorted((folder / "reports").glob("*.dcm"), key=lambda path: path.stat().st_mtime_ns):
        report = pydicom.dcmread(path)
        of = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
        image = of.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        unit = image if len(of.ReferencedSOPSequence) == 1 else of.SeriesInstanceUID
        facts = read_sr(report)
        spoken.reports.setdefault((str(unit), len(facts) > MOST_REASONS), []).append(facts)
    return spoken


def judged(facts: set[Fact]) -> set[Fact]:
    """Without what the report says beside the judgement: drawn regions and points, which have no Quality Finding."""
    findings = {one.about[0] for one in facts if one.about and one.concept == "DCM:111052"}
    return {
        one for one in facts if (not one.about or one.about[0] in findings) and one.concept not in NOT_SENT
    }  # fmt: skip


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda one: one.name)
def test_codes_values_units_sides_and_verdicts_are_those_of_the_report(spoken: Spoken, channel: Channel) -> None:
    of_kind = {unit: facts for (unit, is_full), facts in spoken.reports.items() if is_full is channel.is_full}
    reports = {unit: [judged(one) for one in facts] for unit, facts in of_kind.items()}
    messages = {unit: facts for (name, unit), facts in spoken.messages.items() if name == channel.name}
    assert messages == reports
    of_all = {one for facts in messages.values() for some in facts for one in some}
    assert {one.value for one in of_all if one.concept == "DCM:111050"} >= {"DCM:111235", "DCM:111236"}
    assert {one.concept for one in of_all} >= {LATERALITY, "99MIQA:READER_DECISION", "DCM:111029"}
    assert {one.unit for one in of_all} >= {"{0:100}", "%", "{gaps}"}


def test_words_are_in_the_language_of_the_site(spoken: Spoken) -> None:
    text = b"\r".join(spoken.bodies["ris"]).decode()
    assert {"Abgelehnt", "Qualitätswert", "St. Ännä", "Sicherheit"} <= set(text.replace("|", "^").split("^"))
