"""The policy that ships with the node says something sensible about every finding, measurement and contradiction."""

import re
import shutil
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import pytest
import yaml
from structlog.testing import capture_logs

from miqa_node.core.domain.assessment import Assessment, Measurement, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import Header, InstanceDigest, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.domain.kept_figure import no_figures
from miqa_node.core.domain.policy import Policy, most_specific
from miqa_node.core.domain.rule import ANOMALY, LimitSide, Outcome, Rule, Subject, Then, Where
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import WatchedFile, load_settings, share_dir
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import (
    all_finding_names,
    defect_names,
    finding_entries,
    finding_names,
    gate_names,
    reason_code,
)
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import SettingsError
from miqa_node.stages.assess.active import quality_folder
from tests.policies import ACCEPT, DEFAULT, numbered, policy_of, rows_about
from tests.release import tell

ROOT = Path(__file__).resolve().parents[2]
CHEST, OTHER = "frontal chest radiograph", "other radiograph"
SHIPPED = ModelIdentity("quality", "0.9.3", "ab" * 32)
NEVER_REJECTED = (FindingName.FOREIGN_OBJECT, FindingName.DEVICE_IN_VIEW)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return parse_policy(tomllib.loads((ROOT / "config" / "policy.toml").read_text("utf-8")))


def header(modality: str = "DX", body_part: str = "CHEST", view: str = "PA") -> Header:
    return Header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        sop_instance_uid=SopInstanceUid("1.2.3"),
        series_instance_uid=SeriesInstanceUid("1.2.4"),
        study_instance_uid=StudyInstanceUid("1.2.5"),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality=modality,
        body_part_examined=body_part,
        view_position=view,
    )


def judged(present: dict[FindingName, tuple[float, float]], **of: str) -> Assessment:
    findings = tuple(
        Finding(name, reason_code(name), *present.get(name, (0.01, 0.0)), threshold=0.5) for name in finding_names()
    )
    return Assessment(InstanceDigest("0" * 64), header(**of), datetime.now(UTC), findings=findings, model=SHIPPED)


def rules_of(policy: Policy, subject: Subject, **of: str) -> list[Rule]:
    """What applies to such an image, by the shipped policy: by default a frontal chest."""
    applying = most_specific([rule for rule in policy.covering(header(**of)) if rule.then is not Then.ACCEPT])
    return [rule for rule in applying if rule.subject is subject and not rule.flags_alone]


def least_severity(policy: Policy, name: FindingName) -> float:
    return min(rule.min_severity for rule in rules_of(policy, Subject.FINDING) if rule.what == name)


def test_an_unremarkable_chest_is_accepted(policy: Policy) -> None:
    disposition = decide(judged({}), policy)
    assert (disposition.verdict, disposition.scope, disposition.reasons) == (Verdict.ACCEPT, CHEST, ())
    assert disposition.policy_version == policy.version
    [row] = rows_about(disposition, "all")
    assert (row.outcome, row.place, row.evidence) == (Outcome.ACCEPTS, CHEST, ("quality on chests",))


@pytest.mark.parametrize("view", ["PA", "AP", ""])
@pytest.mark.parametrize("modality", ["CR", "DX"])
def test_the_place_of_chests_covers_what_the_model_was_made_for(policy: Policy, modality: str, view: str) -> None:
    assert decide(judged({}, modality=modality, view=view), policy).scope == CHEST


@pytest.mark.parametrize("name", [name for name in finding_names() if name != FindingName.DEVICE_IN_VIEW])
def test_every_strong_finding_flags_a_chest(policy: Policy, name: FindingName) -> None:
    least = least_severity(policy, name)
    disposition = decide(judged({name: (0.94 if least < 0.9 else 0.99, max(0.3, least))}), policy)
    assert disposition.verdict is Verdict.REVIEW
    assert [reason.name for reason in disposition.reasons] == [name]
    assert [row.outcome for row in rows_about(disposition, name) if row.then is Then.REVIEW] == [Outcome.FLAGS]


@pytest.mark.parametrize(
    "name", [n for n in defect_names() if finding_entries()[n].soft and n != FindingName.FOREIGN_OBJECT]
)
def test_a_slight_degree_of_a_soft_finding_is_ordinary(policy: Policy, name: FindingName) -> None:
    least = least_severity(policy, name)
    disposition = decide(judged({name: (0.99, 0.9 * least)}), policy)
    assert least > 0
    assert disposition.verdict is Verdict.ACCEPT
    assert not disposition.flags(name)


@pytest.mark.parametrize(("name", "severity"), [("clipped_anatomy", 0.4), ("double_exposure", 0.1)])
def test_a_hard_finding_flags_in_slight_degrees(policy: Policy, name: FindingName, severity: float) -> None:
    disposition = decide(judged({name: (0.6, severity)}), policy)
    assert disposition.verdict is Verdict.REVIEW
    assert disposition.flags(name)


@pytest.mark.parametrize("name", [name for name in defect_names() if name not in NEVER_REJECTED])
def test_a_severe_and_certain_defect_is_rejected_with_one_reason(policy: Policy, name: FindingName) -> None:
    disposition = decide(judged({name: (0.99, 1.0)}), policy)
    if all(rule.verdict != "REJECT" for rule in finding_entries()[name].policy):
        tell([f"no rule of its own rejects {name}: name it in NEVER_REJECTED"])
        return
    assert disposition.verdict is Verdict.REJECT
    assert [reason.verdict for reason in disposition.reasons] == [Verdict.REJECT]


def test_a_severe_but_uncertain_defect_is_not_rejected(policy: Policy) -> None:
    for name in set(defect_names()) - {FindingName.DEVICE_IN_VIEW}:
        assert decide(judged({name: (0.6, 1.0)}), policy).verdict is Verdict.REVIEW


def test_devices_are_no_defect(policy: Policy) -> None:
    assert decide(judged({FindingName.DEVICE_IN_VIEW: (1.0, 1.0)}), policy).verdict is Verdict.ACCEPT


@pytest.mark.parametrize("key", ["finding", "except"])
def test_a_name_that_no_package_uses_any_more_is_refused(key: str) -> None:
    name = "noise_underexposure"
    rules = {"finding": {"finding": name, "then": "REVIEW"}, "except": {**DEFAULT, "except": [name]}}
    with pytest.raises(SettingsError, match="no package finds 'noise_underexposure' any more"):
        policy_of(rules[key])


def test_foreign_objects_are_never_rejected_by_a_model(policy: Policy) -> None:
    assert decide(judged({FindingName.FOREIGN_OBJECT: (1.0, 1.0)}), policy).verdict is Verdict.REVIEW


def test_a_doubtful_gate_is_not_assessed(policy: Policy) -> None:
    assert decide(judged({FindingName.GATE: (0.6, 0.0)}), policy).verdict is Verdict.NOT_ASSESSED


@pytest.mark.parametrize("of", [{"body_part": "HAND"}, {"view": "LATERAL"}, {"modality": "MG", "body_part": "BREAST"}])
def test_other_radiographs_are_not_assessed_unless_a_rule_flags_them(policy: Policy, of: dict[str, str]) -> None:
    nobody_judged = Assessment(
        InstanceDigest("0" * 64), header(**of), datetime.now(UTC), not_assessed="The model judges chests."
    )
    disposition = decide(nobody_judged, policy)
    assert (disposition.verdict, disposition.scope) == (Verdict.NOT_ASSESSED, OTHER)
    assert "judges chests" in disposition.reasons[0].text
    named = {rule.what for rule in rules_of(policy, Subject.FINDING, body_part="HAND")}
    assert named <= set(defect_names()) - {FindingName.DEVICE_IN_VIEW}
    tell(
        f"config/policy.toml has no rule for {name}"
        for name in set(defect_names()) - named - {FindingName.DEVICE_IN_VIEW}
    )


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({"view": "LATERAL"}, "no figures exist for CHEST LATERAL"),
        ({"body_part": "SKULL", "view": "AP"}, "no figures exist for SKULL AP"),
        ({"body_part": "ABDOMEN", "view": ""}, "no figures exist for ABDOMEN."),
        ({"body_part": "ELBOW"}, "no figures exist for ELBOW PA"),
        ({"body_part": "LINKES KNIE VON AUSSEN"}, "the body part is unknown"),
    ],
)
def test_what_no_figure_allows_is_experimental(policy: Policy, of: dict[str, str], says: str) -> None:
    for present in ({}, {FindingName.MOTION_BLUR: (1.0, 1.0)}):
        image = judged(present, **of)
        image = replace(
            image, model=ModelIdentity("any-radiograph", "0.3.0", ""), experimental=no_figures(image.header)
        )
        disposition = decide(image, policy)
        assert (disposition.verdict, disposition.flagged) == (Verdict.NOT_ASSESSED, False)
        assert says in disposition.reasons[0].text


@pytest.mark.parametrize(("age", "verdict"), [(5, Verdict.NOT_ASSESSED), (6, Verdict.ACCEPT), (None, Verdict.ACCEPT)])
def test_a_chest_of_a_small_child_is_never_accepted(policy: Policy, age: int | None, verdict: Verdict) -> None:
    image = judged({})
    assert decide(replace(image, header=replace(image.header, age_years=age)), policy).verdict is verdict


@pytest.mark.parametrize(
    ("name", "version"), [("quality", "0.10.0"), ("quality-classical", "0.1.1"), ("chest", "0.9.3")]
)
def test_the_figure_of_the_chest_speaks_for_no_other_package(policy: Policy, name: str, version: str) -> None:
    other = ModelIdentity(name, version, "cd" * 32)
    for present in ({}, {FindingName.MOTION_BLUR: (1.0, 1.0)}):
        disposition = decide(replace(judged(present), model=other), policy)
        assert (disposition.verdict, disposition.experimental) == (Verdict.NOT_ASSESSED, True)
        assert f"none of the package {name}-{version}." in disposition.reasons[0].text
    added = tuple(
        replace(one, figures=(*one.figures, *(replace(each, package=other.label) for each in one.figures)))
        for one in policy.rules
    )
    assert decide(replace(judged({}), model=other), replace(policy, rules=added)).verdict is Verdict.ACCEPT


def test_figures_in_the_policy_are_those_of_the_cards(policy: Policy) -> None:
    [[chest], [limbs]] = [one.figures for one in policy.rules if one.then is Then.ACCEPT and one.figures]
    folder = quality_folder(load_settings(None))
    assert folder is not None
    assert chest.package == folder.name
    sides = yaml.safe_load((ROOT / "models" / chest.package / "card.yaml").read_text("utf-8"))["two_sides"]
    assert chest.found == pytest.approx(mean(one["found"] for one in sides["findings"].values()), abs=0.005)
    assert chest.images == sum(images for _, images in sides["usable_flagged"]["sources"].values())
    of_node = yaml.safe_load((ROOT / "models" / limbs.package / "card.yaml").read_text("utf-8"))["two_sides"]
    source = [one["sources"]["fracatlas"] for one in of_node["findings"].values()]
    assert limbs.found == pytest.approx(mean(one["found"] for one in source), abs=0.005)
    assert f"{limbs.images} images of fracatlas" in of_node["about"]


@pytest.mark.parametrize("modality", ["US", "PT", "NM", "SR", ""])
def test_what_is_no_radiograph_has_no_place(policy: Policy, modality: str) -> None:
    decided = decide(judged({}, modality=modality), policy)
    assert (decided.verdict, decided.scope, decided.rules) == (Verdict.NOT_ASSESSED, "", ())


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_series_is_only_flagged_or_not_assessed_until_the_site_names_what_is_enough(
    policy: Policy, modality: str
) -> None:
    measured = Assessment(
        InstanceDigest("0" * 64),
        header(modality=modality),
        datetime.now(UTC),
        measurements=(Measurement("slice_gaps", 0.0, "1"),),
        not_assessed="No model judges CT or MR series; they are measured.",
        decoder="pydicom",
    )
    gap = replace(measured, measurements=(Measurement("slice_gaps", 1.0, "1"),))
    assert decide(measured, policy).verdict is Verdict.NOT_ASSESSED
    assert decide(gap, policy).verdict is Verdict.REVIEW
    rule = {"where": [], "modality": [modality], "measurement": ["slice_gaps"], "then": "ACCEPT", "evidence": "ours"}
    enough = policy_of(rule, evidence={"ours": {"tried_on": ["one", "two"]}}).rules
    limits = tuple(one for one in policy.rules if one.then is not Then.ACCEPT)
    trusting = replace(policy, rules=(*limits, *enough))
    assert decide(measured, trusting).verdict is Verdict.ACCEPT
    assert decide(gap, trusting).verdict is Verdict.REVIEW
    assert decide(replace(measured, measurements=()), trusting).verdict is Verdict.NOT_ASSESSED


def test_what_rejects_a_finding_is_sure_and_severe(policy: Policy) -> None:
    rejecting = [rule for rule in policy.of(Subject.FINDING) if rule.then is Then.REJECT]
    assert rejecting
    assert all(rule.min_probability >= 0.9 and rule.min_severity >= 0.5 for rule in rejecting)


def an_image_of(where: Where) -> dict[str, str]:
    """Modality, body part and view of an image that this place covers, and the most specific of its rules."""
    names = {"modality": where.modality, "body_part": where.body_part, "view": where.view}
    first = {key: words[0] for key, words in names.items() if words}
    other = "" if {"CT", "MR"} & {*where.modality} else "HAND"
    return {"body_part": "CHEST" if where.name == CHEST else other} | first


def test_measurement_rules_fire_beyond_their_limits(policy: Policy) -> None:
    rules = numbered(policy)
    assert rules
    for rule in rules:
        limit = rule.limit or 0.0
        step = max(abs(limit) * 0.01, 1e-6) * (1 if rule.side is LimitSide.ABOVE else -1)
        for value, flagged in ((limit + step, True), (limit - step, False)):
            image = replace(judged({}, **an_image_of(rule.where)), measurements=(Measurement(rule.what, value, "1"),))
            image = replace(image, part_seen=next((one.body_part[0] for one in rule.tried if one.body_part), ""))
            decided = decide(replace(image, kind=next(iter(rule.where.kind), "")), policy)
            assert (rule.what in [r.name for r in decided.reasons]) is flagged
            [row] = [one for one in rows_about(decided, rule.what) if one.side == rule.side.value]
            assert (row.outcome is Outcome.FLAGS, row.values, row.limits) == (flagged, (value,), (limit,))
            assert row.place == rule.where.name


def test_measurements_in_the_policy_are_defined_in_the_reference(policy: Policy) -> None:
    page = (ROOT / "docs" / "reference" / "measurements.md").read_text("utf-8")
    for name in {rule.what for rule in policy.of(Subject.MEASUREMENT)} - {ANOMALY}:
        assert f"`{name}`" in page, f"{name} stands in policy.toml but not in the reference"


def test_contradictions_in_the_policy_are_defined_in_the_reference(policy: Policy) -> None:
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    for name in {rule.what for rule in policy.of(Subject.CONTRADICTION)}:
        assert re.search(rf"`{name}`", pages), f"{name} stands in policy.toml but not in the reference"


def test_every_finding_and_gate_class_stands_in_the_reference_with_its_code() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in (ROOT / "docs" / "reference" / "findings.md").read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    documented = {row[0].strip("`"): row[-1] for row in reversed(rows)}  # the table of hints comes later
    coded = {name: reason_code(name) for name in (*all_finding_names(), *gate_names())}
    tell(f"docs/reference/findings.md does not name {name}" for name in set(coded) - set(documented))
    assert set(documented) <= set(coded)
    for name in set(coded) & set(documented):
        assert f"{coded[name].value} {coded[name].meaning}" in documented[name]


def test_severities_in_the_reference_are_those_of_the_simulators() -> None:
    from miqa_training.degrade import (
        clipped_anatomy,
        contrast_processing,
        double_exposure,
        grid_artifact,
        motion_blur,
        noise,
        overexposure_saturation,
        rotation_orientation,
        unsharp,
    )

    page = (ROOT / "docs" / "reference" / "findings.md").read_text("utf-8")
    for values, form in [
        (motion_blur.MOTION_MM, "{:g} / {:g} / {:g} / {:g} mm of motion"),
        (unsharp.UNSHARP_SIGMA_MM, "σ {:g} / {:g} / {:g} / {:g} mm"),
        ([1 / f for f in noise.DOSE_FRACTION], "1/{:g}, 1/{:g}, 1/{:g}, 1/{:g} of the dose"),
        ([100 * s for s in overexposure_saturation.SATURATED_SHARE], "{:g} / {:g} / {:g} / {:g} % of the body"),
        (contrast_processing.JPEG_QUALITY, "quality {:g} / {:g} / {:g} / {:g}"),
        ([100 * a for a in grid_artifact.LINE_AMPLITUDE], "lines of {:g} / {:g} / {:g} / {:g} %"),
        (clipped_anatomy.BEYOND_EDGE_MM, "{:g} / {:g} / {:g} / {:g} mm of lung"),
        (rotation_orientation.TURN_DEGREES, "{:g} / {:g} / {:g} / {:g}°"),
        ([str(s).lstrip("0") for s in double_exposure.SECOND_SHARE], "share of {} / {} / {} / {}"),
    ]:
        assert form.format(*values) in page


LIMIT = 'measurement = "slice_gaps"\nthen = "REVIEW"\nreason = "111220"\n'
MOTION = 'finding = "motion_blur"'
REVIEWED = f'{MOTION}\nthen = "REVIEW"'


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('finding = "motion_blurr"\nthen = "REVIEW"', "motion_blurr"),
        (f'{MOTION}\nthen = "ACCEPT"', "ACCEPT"),
        (MOTION, "then is missing"),
        ('finding = "default"\nthen = "REVIEW"', "no key then"),
        (f'{REVIEWED}\ncolour = "red"', "colour"),
        (f"{REVIEWED}\nmin_probability = 75", "from 0 to 1"),
        (f"{REVIEWED}\nmin_severity = -1", "from 0 to 1"),
        (f'{REVIEWED}\nwhere = "chst"', "no place above is called 'chst'. Did you mean 'chest'"),
        (f'{REVIEWED}\nwhere = "chest"\nbody_part = ["KNEE"]', "body_part is KNEE; 'chest' has none of these"),
        (f'{REVIEWED}\nwhere = "chest"\nkind = ["head"]', "name their modality"),
        (f"{LIMIT}above = 60\nbelow = 40", "two limits"),
        (f"{LIMIT}above = true", "above is True"),
    ],
)
def test_a_mistake_is_named_with_its_line(rule: str, message: str) -> None:
    places = '[where.chest]\nbody_part = ["CHEST"]\n'
    text = f'version = "1"\n{places}[[rule]]\nevidence = "site"\n{REVIEWED}\n[[rule]]\nevidence = "site"\n{rule}\n'
    with pytest.raises(SettingsError, match=rf"line (8|10): .*{message}"):
        parse_policy(tomllib.loads(text), text)


def test_modality_and_body_part_may_be_in_lower_case() -> None:
    read = policy_of(ACCEPT, where={"chest": {"modality": ["dx"], "body_part": ["chest"], "view": ["pa"]}})
    assert read.places[0].covers(header(), "")


@pytest.mark.parametrize(
    "wrong",
    ['version = "2"\nrule = ["CT"]', 'version = "2"\nrule = "CT"', "", "version =", 'version = "2"\n[[scope]]'],
)
def test_a_policy_with_a_mistake_leaves_the_last_good_one_in_force(tmp_path: Path, wrong: str) -> None:
    """Whoever asks for the policy is receiving or judging an image, and must not pay for the mistake."""
    file = tmp_path / "policy.toml"
    shutil.copy(share_dir("config") / "policy.toml", file)
    watched = WatchedFile(file, read_policy)
    good = watched.current()
    file.write_text(wrong)
    with capture_logs() as says_so:
        assert watched.current() is good
    [line] = [one for one in says_so if one["log_level"] == "error"]
    assert line["event"] == "the last good version stays in force"
    with pytest.raises(SettingsError) as refused:
        read_policy(file)
    assert line["reason"] == str(refused.value)


def test_two_rules_for_the_same_leave_the_last_good_ones_in_force_with_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    head = 'version = "1"\n'
    one = '[[rule]]\nevidence = "site"\nfinding = "noise"\nthen = "REVIEW"\n'
    file.write_text(head + one)
    watched = WatchedFile(file, read_policy)
    good = watched.current()
    file.write_text(head + one + one)
    with capture_logs() as says_so:
        assert watched.current() is good
    assert "line 4 and line 8 are two rules about noise and REVIEW" in says_so[0]["reason"]
    file.write_text(head.replace("1", "2") + one)
    assert watched.current().version == "2"
