"""Everything that the node knows of an image, told on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miqa_node.core.domain.policy import Verdict
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_json_holds_every_image_of_a_study_and_says_when_it_is_cut(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    for number in (1, 2, 3):
        stage.add(number, Verdict.ACCEPT, study=9)

    every = cli("explain", "1.2.3.9", "--json", "--data-dir", data_dir).json
    cut = cli("explain", "1.2.3.9", "--json", "--limit", "2", "--data-dir", data_dir).json

    assert [one["instance"]["header"]["sop_instance_uid"] for one in every["instances"]] == [
        "1.2.3.4.5.1",
        "1.2.3.4.5.2",
        "1.2.3.4.5.3",
    ]
    assert not every["truncated"]
    assert len(cut["instances"]) == 2
    assert cut["truncated"]
