"""Outputs: the node's own keep their identities, and those of other distributions are one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from miqa_node.core.domain import output as output_domain
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.output import default_kinds, output_kinds
from miqa_node.core.settings import share_dir
from miqa_node.errors import SettingsError
from miqa_node.stages.conclusion.deliver import kinds_to_make
from miqa_node.stages.deliver.destinations import parse_destinations
from miqa_node.stages.deliver.kinds.base import DESTINATIONS
from miqa_node.stages.report.outputs.base import OUTPUTS
from miqa_node.stages.report.withdrawal import WITHDRAWAL
from tests.node.third_party import installed
from tests.stages.report import making

RESULTS = share_dir("config").parent / "docs" / "reference" / "results.md"
UIDS = {  # of the chest radiograph with three defects; a change would send every object twice
    "SEG": ("1.2.840.10008.5.1.4.1.1.66.4", "2.25.338117968748892483042109414376229227302"),
    "SR": ("1.2.840.10008.5.1.4.1.1.88.34", "2.25.48159639961956353462435497353147497222"),
    "SR_FULL": ("1.2.840.10008.5.1.4.1.1.88.34", "2.25.283613167851172297815608936241472522885"),
    "KOS": ("1.2.840.10008.5.1.4.1.1.88.59", "2.25.337010798797468762227397337376121303545"),
    "SEG_FRACTIONAL": ("1.2.840.10008.5.1.4.1.1.66.4", "2.25.163559100068037672855896245831064123655"),
    "SEG_LABELMAP": ("1.2.840.10008.5.1.4.1.1.66.7", "2.25.311322813981984626383664795758964304189"),
    "SEG_LUNGS": ("1.2.840.10008.5.1.4.1.1.66.4", "2.25.57005282897303726324624469272790502947"),
    "GSPS": ("1.2.840.10008.5.1.4.1.1.11.1", "2.25.148852110817860924040245768829586581770"),
    "SC": ("1.2.840.10008.5.1.4.1.1.7", "2.25.187723280059355580943459863725220083437"),
    "SC_RLE": ("1.2.840.10008.5.1.4.1.1.7", "2.25.167986499403611699827395962030867881740"),
    "SC_J2K": ("1.2.840.10008.5.1.4.1.1.7", "2.25.296167589416325054698549747499800848981"),
    "PDF": ("1.2.840.10008.5.1.4.1.1.104.1", "2.25.203340742395457971860571269556872967186"),
    "ENHANCED": ("1.2.840.10008.5.1.4.1.1.1", "2.25.62990215908991841413200171959071265969"),
}

BROKEN = """
miqa_api = 1
from miqa_node.stages.report.outputs.base import Output

def make(context):
    raise ZeroDivisionError("the patient's name")

OUTPUT = Output(kind="BROKEN", modality="OT", series_number=9950, description="x", sop_class_uid="1.2", make=make)
"""
THUMBNAIL = """
miqa_api = 1
from pydicom.uid import RLELossless
from miqa_node.stages.report.capture import capture_output

OUTPUT = capture_output("THUMBNAIL", RLELossless, 65)
"""


def test_what_is_made_without_being_asked_for() -> None:
    assert default_kinds() == {"SR", "SEG", "KOS"}
    assert kinds_to_make(lambda kind: ["pacs"] if kind == "PDF" else []) == {"SR", "SEG", "KOS", "PDF"}
    assert set(output_kinds()) == {*UIDS, "REJECTION", "AIRAI", "NOISE_MAP"}
    numbers = {one.kind: one.series_number for one in (*OUTPUTS.all().values(), WITHDRAWAL)}
    assert {number for number, kinds in _by_number(numbers).items() if len(kinds) > 1} == {9905}, "the pictures"


def test_the_page_of_results_names_every_output_with_its_series_number() -> None:
    rows = [line for line in RESULTS.read_text("utf-8").splitlines() if line.startswith("| `")]
    for output in OUTPUTS.all().values():
        (row,) = [row for row in rows if f"`{output.kind}`" in row.split("|")[1]]
        assert str(output.series_number) in row
        assert output.sop_class_uid in row or output.kind in ("SC_RLE", "SC_J2K", "SEG_FRACTIONAL", "REJECTION")


def _by_number(numbers: dict[ResultKind, int]) -> dict[int, list[ResultKind]]:
    return {number: [kind for kind in numbers if numbers[kind] == number] for number in numbers.values()}


def test_an_output_of_another_distribution_that_fails_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path, monkeypatch, OUTPUTS, "BROKEN", BROKEN, "OUTPUT"), capture_logs() as lines:
        made = making.flagged(making.CHEST, [ResultKind(kind) for kind in ("SR", "KOS", "BROKEN")])
    assert [one.kind for one in made] == ["SR", "KOS"]
    (line,) = [line for line in lines if line["event"] == "output failed"]
    assert (line["output"], line["reason"]) == ("BROKEN", "ZeroDivisionError")
    assert line["where"].endswith(" > other_broken.py:6")
    assert "patient" not in str(line)


@pytest.mark.more
def test_every_object_keeps_its_class_identity_and_order() -> None:
    made = making.everything(making.CHEST)
    assert {one.kind: (str(one.sop_class_uid), one.sop_instance_uid) for one in made} == UIDS
    assert [one.kind for one in made] == list(UIDS)


@pytest.mark.more
def test_an_output_of_another_distribution_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "destinations.toml"
    file.write_text('[[destination]]\nname = "d"\nkind = "folder"\nfolder = "/d"\nobjects = ["THUMBNAIL"]\n', "utf-8")
    with pytest.raises(SettingsError, match="objects must be a list out of"):
        parse_destinations(file)
    monkeypatch.setattr(output_domain._OUTPUTS, "_loaded", {})
    with installed(tmp_path / "site", monkeypatch, OUTPUTS, "THUMBNAIL", THUMBNAIL, "OUTPUT"):
        (config,) = parse_destinations(file)
        kinds = kinds_to_make(lambda kind: ["d"] if config.takes(kind) else [])
        made = making.flagged(making.CHEST, kinds, making.radiograph(making.CHEST))
        assert [one.kind for one in made] == ["SEG", "SR", "KOS", "THUMBNAIL"]
        assert making.read(made[-1]).Modality == "OT"
        assert "THUMBNAIL" not in [one.kind for one in making.flagged(making.CHEST)], "nobody asks for it"
    monkeypatch.setattr(output_domain._OUTPUTS, "_loaded", {})
    assert "THUMBNAIL" not in output_kinds()
    assert DESTINATIONS.all()
