"""Whatever arrives at an entrance is answered with a result or an error of the node's own; ``make fuzz`` does more."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import FuzzCount, attempt, explore, thread_faults
from tests.fuzz.coverage import explore_coverage
from tests.fuzz.mutations import mutate
from tests.fuzz.seeds import CORPUS
from tests.fuzz.targets import TARGETS, FuzzTarget, opened
from tests.quick import in_gate

pytestmark = pytest.mark.filterwarnings("ignore")
each_target = pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.name)
INPUTS = 3000
"""Of all targets together; ``make fuzz`` has 100,000."""
GUIDED = 200
"""Of each target; ``make fuzz`` has 20,000 of all together."""
GUIDED_TARGETS = [kind for kind in TARGETS if kind.guided]


@each_target
def test_every_file_of_the_corpus_is_answered(kind: type[FuzzTarget]) -> None:
    count = FuzzCount(kind.name)
    with thread_faults(count), opened(kind) as target:
        for path in sorted((CORPUS / kind.name).iterdir()):
            attempt(target, path.read_bytes(), count)
    assert count.inputs >= 3
    assert count.failures == []


def test_the_shares_are_whole_and_no_seed_is_large() -> None:
    assert sum(kind.share for kind in TARGETS) == 1000
    assert {kind.name for kind in TARGETS} == {folder.name for folder in CORPUS.iterdir()}
    assert max(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 16_384


def test_a_campaign_finds_a_planted_defect() -> None:
    class Planted(FuzzTarget):
        name = "zip"

        def run(self, data: bytes) -> None:
            if b"PK" in data[1:]:
                raise IndexError("planted")

    count = explore(Planted, 200)
    assert "IndexError: planted" in count.failures[0]


def test_edits_of_an_empty_file_are_none() -> None:
    edits: list[tuple[str, float, bytes | int]] = [("flip", 0.5, 1), ("remove", 0.5, 3), ("repeat", 0.1, 9)]
    assert mutate(b"", edits) == b""


@pytest.mark.more
@pytest.mark.timeout(600)
@each_target
def test_damaged_inputs_are_answered(kind: type[FuzzTarget]) -> None:
    count = explore(kind, INPUTS * kind.share // 1000)
    assert count.failures == []
    assert count.inputs >= INPUTS * kind.share // 1000


@pytest.mark.more
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", in_gate(GUIDED_TARGETS, 1), ids=[kind.name for kind in GUIDED_TARGETS])
def test_inputs_guided_by_coverage_are_answered(kind: type[FuzzTarget]) -> None:
    pytest.importorskip("atheris", reason="make setup-fuzz installs it where there is a wheel")
    count = explore_coverage(kind, GUIDED)
    assert count.failures == []
    assert count.inputs >= GUIDED
