"""A policy of the form of before and what it becomes: the verdicts of a version that had the form are the measure."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.decision import decide
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.policy.former import RULE_KEYS, Conversion, convert
from tests.features.policy.judged_images import images

FORMER = Path(__file__).with_name("former")
VERDICTS: dict[str, Any] = json.loads((FORMER / "verdicts.json").read_text("utf-8"))
RENAMED = {"chests 2": "chests"}
"""Places have names of their own; scopes of one file could share theirs."""
IMAGES = images()
LIMIT = 'measurement = [{ name = "grid_peak", above = 5, verdict = "REVIEW", reason = "111207" }]'
FIGURE = "auroc = 0.96, flagged = 0.02, min_probability = 0.3, found = 0.6, images = 5, source = 's'"


def _converted(text: str) -> Conversion:
    return convert(tomllib.loads(text))


def _scope(lines: str) -> Conversion:
    return _converted(f'version = "1"\n[[scope]]\nname = "a"\n{lines}\n')


@pytest.mark.parametrize("name", sorted(VERDICTS.keys() - {"made_by"}))
def test_old_and_new_decide_alike(name: str) -> None:
    conversion = _converted((FORMER / f"{name}.toml").read_text("utf-8"))
    assert not conversion.obstacles
    policy = parse_policy(tomllib.loads(conversion.text), conversion.text)
    decided = [decide(one, policy) for one in IMAGES]
    verdicts = [
        [one.verdict.value, RENAMED.get(one.scope, one.scope), sorted(r.name for r in one.reasons)] for one in decided
    ]
    # Their order is that of their weight since.
    assert verdicts == [[verdict, scope, sorted(names)] for verdict, scope, names in VERDICTS[name]]


def test_each_kind_of_table_has_a_policy_and_verdicts() -> None:
    others = {"default_findings", "ignored_findings", "package", "accept", "figure", "finding_figure", "own_figures"}
    files = {file.stem for file in FORMER.glob("*.toml")}
    assert {*RULE_KEYS, *others} <= files == VERDICTS.keys() - {"made_by"}


def test_packages_go_by_the_header_alone() -> None:
    text = _converted((FORMER / "package.toml").read_text("utf-8")).text
    policy = parse_policy(tomllib.loads(text))
    heads = next(where for where, rule in policy.packages if rule.package == "heads")
    assert (heads.kind, heads.modality, heads.body_part) == ((), ("CT",), ("SKULL",))


def _of(kind: str, *tables: str) -> str:
    return f"{kind} = [{', '.join(f'{{ {table} }}' for table in tables)}]"


NOISE = 'name = "noise", verdict = "REVIEW"'
PEAK = 'name = "grid_peak", verdict = "REVIEW"'
USUAL = 'name = "noise_share", side = "below", reason = "noise"'


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (_of("finding", f"{NOISE}, min_probability = 0.6", f"{NOISE}, min_severity = 0.5"), "either is enough"),
        (_of("finding", f"{NOISE}, over = ['lung']", f"{NOISE}, over = ['outside']"), "either is enough"),
        (
            _of("measurement", f"{PEAK}, above = 5, reason = 'noise'", f"{PEAK}, above = 9, reason = 'unsharp'"),
            "either",
        ),
        (
            f"{_of('finding', NOISE)}\n"
            + _of(
                "finding_figure",
                *(
                    f'name = "noise", body_part = ["KNEE", "{part}"], package = "{part}", {FIGURE}'
                    for part in ("HAND", "FOOT")
                ),
            ),
            "each body part stand in one",
        ),
        (_of("finding", 'name = "noisee", verdict = "REVIEW"'), "did you mean 'noise'"),
        (_of("finding", 'name = "noise", verdict = "REVEIW"'), "then is 'REVEIW'"),
        ("own_figures = 1", "must be true or false"),
        ("ignored_findings = 'noise'", "list of names"),
        ("measurements = []", "Did you mean measurement"),
        ("measurement = [5]", "must be a table"),
        (_of("usual", f"{USUAL}, verdict = 'REJECT'"), "then is 'REJECT'"),
        ('kind = ["body"]', "name their modality"),
    ],
)
def test_what_cannot_be_converted_is_named_with_what_to_do(lines: str, what: str) -> None:
    [obstacle] = _scope(lines).obstacles
    assert what in obstacle.obstacle


def test_a_package_of_kinds_behind_an_earlier_scope_is_written_by_hand() -> None:
    text = f"""version = "1"
    [[scope]]
    name = "a"
    modality = ["CT"]
    kind = ["body"]
    body_part = ["CHEST"]
    {LIMIT}
    [[scope]]
    name = "b"
    modality = ["CT"]
    kind = ["head"]
    package = [{{ name = "p" }}]
    """
    [obstacle] = _converted(text).obstacles
    assert "[[package]]" in obstacle.obstacle


@pytest.mark.parametrize(
    ("lines", "remark"),
    [
        (f'{LIMIT}\nown_figures = true\nfigure = [{{ found = 0.6, images = 5, source = "s" }}]', "own_figures is true"),
        (f'body_part = ["HAND"]\n{LIMIT}\naccept = [{{ measured = ["grid_peak"], body_part = ["KNEE"] }}]', "no image"),
        ('finding = [{ name = "noise", verdict = "REVIEW" }]\nignored_findings = ["noise"]', "flagged it all the same"),
        (f'{LIMIT}\nfinding_figure = [{{ name = "noise", package = "x", {FIGURE} }}]', "no rule for this finding"),
    ],
)
def test_what_had_no_effect_is_left_out_and_told(lines: str, remark: str) -> None:
    conversion = _scope(lines)
    assert not conversion.obstacles
    assert any(remark in step.remark and not step.after for step in conversion.steps)


def test_the_diff_has_a_line_for_each_table() -> None:
    for file in FORMER.glob("*.toml"):
        document = tomllib.loads(file.read_text("utf-8"))
        lines = list(convert(document).lines())
        dead = "frontal chests, which the first covers"
        scopes = [one for one in document["scope"] if one["name"] != dead]
        tables = [one for scope in scopes for key in RULE_KEYS if key != "anomaly" for one in scope.get(key, ())]
        assert sum(line.startswith("- [[scope]]") for line in lines) == len(document["scope"])
        steps = [line for line in lines if line.startswith("- [[scope.") and line[10:].split("]")[0] in RULE_KEYS]
        assert len([line for line in steps if "anomaly" not in line]) == len(tables)
