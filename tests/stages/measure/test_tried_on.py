"""Each measurement of a modality says on which real scanners it was tried; the table is made from real files."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.acceptance import LEAST_SCANNERS
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.stages.measure import tried_on
from miqa_node.stages.measure.tried_on import NO_SCANNER, UNKNOWN_MAKE, scanners_of, trials, write_trials
from tests.release import tell
from tests.stages.measure.series import making
from tools.measurements_page import measurements_page
from tools.tried_on import trials as trials_of

FOLDERS = ("ct", "mr", "us", "mg", "nm", "pt", "xa")


def measures_of(folder: str) -> list[str]:
    return [one.name for one in MEASUREMENTS.plugins() if one.module.startswith(f"miqa_series.{folder}.")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_measurement_names_scanners_or_says_that_there_is_none(folder: str) -> None:
    names = measures_of(folder)
    assert names
    untried = [name for name in names if not scanners_of(name)]
    tell(f"{name}: run `python -m tools.tried_on` (docs/how-to/another-modality.md)" for name in untried)
    for name in (one for one in names if one not in untried):
        scanners = scanners_of(name)
        assert (NO_SCANNER in scanners) == (sum(scanners.values()) == 0), name


def test_what_is_listed_exists_and_is_a_scanner_of_somebody() -> None:
    for one in trials():
        assert set(one.measurements) <= set(MEASUREMENTS.all()), one.scanner
        assert one.images > 0 or one.scanner == NO_SCANNER
        assert one.scanner in (NO_SCANNER, UNKNOWN_MAKE) or one.scanner[0].isupper()


def test_several_makers_of_ct_and_mr_were_tried() -> None:
    for name in ("ct_noise", "metal_share", "mr_snr", "mr_spikes"):
        makers = {scanner.split()[0] for scanner in scanners_of(name)} - {"unknown"}
        assert len(makers) >= 3, name


OF_STACKS = {"slice_gaps", "slice_overlaps", "slice_disorder", "slices_repeated", "slices_blank"}
"""They compare places or neighbours and look at no body part, so any two scanners of the modality will do."""


def test_what_the_shipped_policy_accepts_was_tried_on_scanners_of_the_table() -> None:
    """CT of the chest and abdomen stood on two names that were in no table and on images that nobody could find."""
    policy = read_policy(load_settings().policy_file)
    for modality, table in ((one.where.modality[0], one.acceptance) for one in policy.rules if one.acceptance):
        of_modality = [trial for trial in trials() if trial.modality == modality]
        names = {UNKNOWN_MAKE if one.endswith(", model unknown") else one for one in table.tried_on}
        assert names <= {trial.scanner for trial in of_modality}, table.body_part
        for name in table.measured:
            scanners = {trial.scanner for trial in of_modality if name in trial.measurements}
            named = scanners if name in OF_STACKS else scanners & set(table.tried_on)
            assert len(named - {UNKNOWN_MAKE}) >= LEAST_SCANNERS, (table.body_part, name)


def test_the_reference_prints_them() -> None:
    page = measurements_page("")
    [row] = [line for line in page.splitlines() if line.startswith("| `ct_noise`")]
    assert row.endswith(" |")
    assert "Philips Brilliance 16P (12)" in row.rsplit(" | ", 1)[1]


def line_of(paths: list[Path], modality: str, *names: str) -> str:
    return json.dumps(
        {"modality": modality, "files": list(map(str, paths)), "measurements": {name: {} for name in names}}
    )


def test_the_table_is_made_from_the_headers_of_what_was_assessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = making.write_series(tmp_path / "a", [making.body_ct(seed=n) for n in range(3)], "CT")
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.Manufacturer, ds.ManufacturerModelName = "GE MEDICAL SYSTEMS", "Revolution"
        ds.save_as(path)
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(paths[0].read_bytes())
    invented = making.write_series(tmp_path / "b", [making.body_ct()], "CT")  # of "Test data"
    lines = [
        line_of([*paths, copy], "CT", "ct_noise", "metal_share"),
        line_of(paths[:1], "CT", "ct_snr"),
        line_of(invented, "CT", "ring_index"),
        json.dumps({"file": "x", "error": "unreadable"}),
    ]

    table = tmp_path / "tried_on.tsv"
    out = StringIO()
    write_trials(trials_of(lines), out)
    table.write_text(out.getvalue(), "utf-8")
    monkeypatch.setattr(tried_on, "TABLE", table)
    trials.cache_clear()
    try:
        assert scanners_of("ct_noise") == {"GE Revolution": 3}, "a copy is the same image"
        assert scanners_of("ct_snr") == {"GE Revolution": 1}
        assert scanners_of("ring_index") == {NO_SCANNER: 0}, "a phantom of the tests is no scanner"
    finally:
        trials.cache_clear()
