"""Outputs: the node's own keep their identities, and those of other distributions are one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain import output as output_domain
from miqa_node.core.domain.output import output_kinds
from miqa_node.errors import SettingsError
from miqa_node.stages.conclusion.deliver import kinds_to_make
from miqa_node.stages.deliver.destinations import parse_destinations
from miqa_node.stages.deliver.kinds.base import DESTINATIONS
from miqa_node.stages.report.outputs.base import OUTPUTS
from tests.node.third_party import installed
from tests.stages.report import making
from tests.stages.report.test_outputs import UIDS

THUMBNAIL = """
miqa_api = 1
from pydicom.uid import RLELossless
from miqa_node.stages.report.capture import capture_output

OUTPUT = capture_output("THUMBNAIL", RLELossless, 65)
"""


def test_every_object_keeps_its_class_identity_and_order() -> None:
    made = making.everything(making.CHEST)
    assert {one.kind: (str(one.sop_class_uid), one.sop_instance_uid) for one in made} == UIDS
    assert [one.kind for one in made] == list(UIDS)


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
