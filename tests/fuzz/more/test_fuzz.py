"""Whatever arrives at an entrance is answered with a result or an error of the node's own; ``make fuzz`` does more."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import explore
from tests.fuzz.coverage import explore_coverage
from tests.fuzz.targets import TARGETS, FuzzTarget
from tests.fuzz.test_fuzz import each_target
from tests.quick import in_gate

pytestmark = pytest.mark.filterwarnings("ignore")


INPUTS = 3000
"""Of all targets together; ``make fuzz`` has 100,000."""


GUIDED = 200
"""Of each target; ``make fuzz`` has 20,000 of all together."""
GUIDED_TARGETS = [kind for kind in TARGETS if kind.guided]


@pytest.mark.timeout(600)
@each_target
def test_damaged_inputs_are_answered(kind: type[FuzzTarget]) -> None:
    count = explore(kind, INPUTS * kind.share // 1000)
    assert count.failures == []
    assert count.inputs >= INPUTS * kind.share // 1000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", in_gate(GUIDED_TARGETS, 1), ids=[kind.name for kind in GUIDED_TARGETS])
def test_inputs_guided_by_coverage_are_answered(kind: type[FuzzTarget]) -> None:
    pytest.importorskip("atheris", reason="make setup-fuzz installs it where there is a wheel")
    count = explore_coverage(kind, GUIDED)
    assert count.failures == []
    assert count.inputs >= GUIDED
