"""Moderate faults of series: each maker makes what it says and leaves its stack; lines of a run become figures."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from miqa_node.core.domain.moderate_fault import faults_of
from miqa_node.errors import SettingsError
from miqa_training.degrade.series.stack import RealStack, SeriesFault
from miqa_training.moderate import ct, mr
from miqa_training.moderate.trial import MAKERS, FaultLine, KindRow, Notebook, SeriesLine, evidence_toml, rows_of
from tests.policies import policy_of

SIDE, COUNT = 64, 12


def header(place: int) -> Dataset:
    of_slice = Dataset()
    of_slice.PixelSpacing, of_slice.SliceThickness = [2.0, 2.0], 3.0
    of_slice.ImagePositionPatient = [0.0, 0.0, 3.0 * place]
    of_slice.RescaleSlope, of_slice.RescaleIntercept = 1.0, -1024.0
    return of_slice


def head() -> RealStack:
    """An oval of about 100 that becomes smaller from slice to slice, 0 around it, with a noise of 1."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2.0
    values = [np.where(np.hypot(y / 1.2, x) < 22 - place / 2, 100.0 + place, 0.0) for place in range(COUNT)]
    noise = np.random.default_rng(1).normal(0.0, 1.0, (COUNT, SIDE, SIDE))
    return RealStack(tuple(map(header, range(COUNT))), np.abs(np.asarray(values) + noise).astype(np.float32))


WAYS = {
    f"{modality} {name} {way.__name__}": way
    for modality, faults in MAKERS.items()
    for name, every in faults.items()
    for way in every
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_maker_changes_a_copy(way: SeriesFault) -> None:
    stack = head()
    values, headers = stack.values.copy(), [one.to_json() for one in stack.headers]
    result = way(stack, np.random.default_rng(0))
    same_headers = [one.to_json() for one in result.headers] == headers
    assert not (same_headers and result.values.shape == values.shape and np.array_equal(result.values, values))
    assert np.array_equal(stack.values, values)
    assert [one.to_json() for one in stack.headers] == headers
    assert np.isfinite(result.values).all()


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_every_fault_that_accept_stands_for_can_be_made(modality: str) -> None:
    assert set(MAKERS[modality]) == {one.name for one in faults_of(modality)}


def test_added_noise_has_the_strength_that_it_states() -> None:
    flat = RealStack(tuple(map(header, range(4))), np.full((4, SIDE, SIDE), 40.0, np.float32))
    for one in flat.headers:
        one.PixelSpacing = [0.7, 0.7]
    for way in (ct.white_noise, ct.textured_noise):
        added = way(flat, np.random.default_rng(0)).values - flat.values
        assert added.std() == pytest.approx(15.0, rel=0.02)
    texture = ct.textured_noise(flat, np.random.default_rng(0)).values - flat.values
    neighbours = np.corrcoef(texture[:, :, 1:].ravel(), texture[:, :, :-1].ravel())[0, 1]
    assert neighbours > 0.3, "white noise has none"


def test_a_wrong_intercept_leaves_the_stored_values() -> None:
    stack = head()
    shifted = ct.all_too_high(stack, np.random.default_rng(0))
    stored = [(one.values - float(one.headers[3].RescaleIntercept))[3] for one in (stack, shifted)]
    np.testing.assert_allclose(stored[0], stored[1], atol=1e-3)
    assert shifted.values[3].mean() == pytest.approx(stack.values[3].mean() + 30.0)


def test_a_motion_within_a_volume_is_no_motion_between_slices() -> None:
    """The middle of the raw data, which is the brightness, is of the head before it moved."""
    stack = head()
    moved = mr.moved_within(stack, np.random.default_rng(0))
    assert moved.values.mean() == pytest.approx(stack.values.mean(), rel=0.1)
    beside = np.s_[:, :, :6]
    assert moved.values[beside].mean() > 0.1, "ghosts and edges lie beside the head"


def line(number: int, scanner: str = "GE LightSpeed16", **changes: object) -> SeriesLine:
    values: dict[str, object] = {
        "series": f"{number:012x}", "folder": f"f{number}", "modality": "CT", "kind": "body", "part": "CHEST",
        "scanner": scanner, "slices": 40, "is_complete": True, "flags": (), "apart": "",
    }  # fmt: skip
    return SeriesLine(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    notebook = Notebook(tmp_path / "lines.jsonl")
    for one in (
        line(1),
        line(2, flags=("truncation",)),
        line(3, is_complete=False),
        line(4, apart="It is a phantom."),
        line(5, "Siemens X", flags=("ring_index",)),
    ):
        notebook.add(one)
    for number, flags in ((1, ("ring_index",)), (2, ()), (3, ())):
        notebook.add(FaultLine(f"{number:012x}", "ring", "near_ring", flags))
        notebook.add(FaultLine(f"{number:012x}", "ring", "far_ring", ("ring_index",)))
    return notebook


def test_figures_are_of_complete_series_by_kind_and_scanner(notebook: Notebook) -> None:
    ge, siemens = rows_of(notebook, ["f2"])
    assert (ge.scanner, ge.series, ge.excerpts, ge.false_alarms) == ("GE LightSpeed16", 2, 1, 0)
    assert ge.found == {"ring": 0.75}
    assert (siemens.scanner, siemens.false_alarms, siemens.found) == ("Siemens X", 1, {})
    assert rows_of(notebook)[0].false_alarms == 1, "nobody said that it is flagged rightly"
    assert rows_of(notebook, ["f2"], excerpts=True)[0].found == {"ring": pytest.approx(4 / 6)}


def test_a_run_that_ended_goes_on_where_it_was(notebook: Notebook, tmp_path: Path) -> None:
    again = Notebook(tmp_path / "lines.jsonl")
    assert again.series == notebook.series
    assert again.faults == notebook.faults


def test_a_run_that_was_killed_goes_on_after_its_last_whole_line(notebook: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    again = Notebook(file)
    assert len(again.faults) == len(notebook.faults) - 1
    [(key, lost)] = [(key, one) for key, one in notebook.faults.items() if key not in again.faults]
    again.add(lost)
    assert Notebook(file).faults[key] == lost


def test_lines_of_another_policy_or_seed_make_no_figures(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    Notebook(file, "1").add(line(1))
    assert list(Notebook(file, "1").series) == list(Notebook(file).series)
    for policy, seed in (("2", 1), ("1", 2)):
        with pytest.raises(SettingsError, match="judged by policy 1 with seed 1"):
            Notebook(file, policy, seed)


def test_the_name_of_a_scanner_may_have_quotes(tmp_path: Path) -> None:
    notebook = Notebook(None)
    notebook.add(line(1, 'Maker "X" \\ Ä'))
    [row] = rows_of(notebook)
    assert tomllib.loads(f"row = {row.toml}")["row"]["scanner"] == 'Maker "X" \\ Ä'


def test_the_printed_lines_are_lines_of_a_policy(notebook: Notebook) -> None:
    rows: list[KindRow] = rows_of(notebook, ["f2"])
    tables = tomllib.loads(evidence_toml(rows))
    rule = {"measurement": ["ct_noise"], "body_part": ["CHEST"], "then": "ACCEPT", "evidence": [*tables["evidence"]]}
    [acceptance, *_] = (one.acceptance for one in policy_of(rule, **tables).rules)
    assert acceptance is not None
    assert acceptance.tried_on == ("GE LightSpeed16", "Siemens X")
    assert acceptance.trials[0].found == {"ring": 0.75}
