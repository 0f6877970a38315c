"""Everything that the node knows of an image, told on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.local_time import moment
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.policies import policy_of
from tests.web.staging import Stage, stack

AT = moment(datetime(2026, 11, 20, 9, 31, tzinfo=UTC))


def test_tells_the_whole_way_of_an_image(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)

    output = cli("explain", "1.2.3.4.5.1", "--data-dir", data_dir).out

    for text in (
        f"{AT} from MODALITY at 10.0.0.7",
        f"{data_dir}/objects/instances/",
        "by quality 0.9.3",
        "motion_blur\t0.970\t0.60\t0.500\tyes",
        "noise\t12.5\t1",
        f"REJECT at {AT} (policy 2026-01, scope frontal chest)",
        "111210 DCM",
        "SR 2.25.1",
        "QUEUED to PACS",
        "flagged",
    ):
        assert text in output
    assert "Muster" not in output


def test_a_series_is_one_block_unless_its_slices_are_asked_for(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    for number in (1, 2, 3):
        stage.add(number, Verdict.REJECT if number == 3 else Verdict.NOT_ASSESSED, study=9)
    with stage.services.database.begin() as transaction:
        stack(transaction, "1.2.3.9", "1.2.77")

    output = cli("explain", "1.2.3.9", "--data-dir", data_dir).out
    assert output.count("received ") == 1
    assert "series" in output
    assert "3, verdict REJECT; --slices shows each" in output
    assert cli("explain", "1.2.3.9", "--slices", "--data-dir", data_dir).out.count("received ") == 3
    of_slice = cli("explain", "1.2.3.4.5.2", "--data-dir", data_dir).out
    assert "3, verdict REJECT" in of_slice, "a slice has the verdict of its series"
    assert "image 1.2.3.4.5.2" in of_slice


def test_the_rules_are_a_table_and_a_key(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    noise = {"measurement": "noise", "above": 20, "then": "REVIEW", "reason": "noise"}
    stage.add(1, policy=policy_of({"finding": "motion_blur", "then": "REVIEW", "min_severity": 0.5}, noise))
    stage.add(2)

    output = cli("explain", "1.2.3.4.5.1", "--data-dir", data_dir).out
    [shown] = cli("explain", "1.2.3.4.5.1", "--json", "--data-dir", data_dir).json["instances"]

    assert "Rule\tValue\tLimit\tEvidence\tOutcome\tWhy" in output
    numbers = "probability 0.97, severity 0.60\tfrom probability 0.5 and severity 0.5 on"
    flags = f"Motion blur\t{numbers}\tthe site's word\tReview"
    within = "Noise\t12.5\tabove 20\tthe site's word\twithin, else Review"
    assert output.index(flags) < output.index(within)
    first, second = shown["disposition"]["rules"]
    assert (first["what"], first["outcome"], first["values"], first["limits"]) == (
        "motion_blur", "flags", [0.97, 0.6], [0.5, 0.5]
    )  # fmt: skip
    assert (second["what"], second["outcome"], second["side"], second["evidence"]) == (
        "noise", "within", "above", ["site"]
    )  # fmt: skip
    assert "did not keep them" in cli("explain", "1.2.3.4.5.2", "--data-dir", data_dir).out


def test_an_unknown_uid(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    ran = cli("explain", "1.9", "--data-dir", data_dir)

    assert ran.code == Exit.NOT_FOUND
    assert "1.9" in ran.err


@pytest.mark.more
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
