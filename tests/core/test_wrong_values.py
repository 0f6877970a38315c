"""What is wrong with a value is said in words, in settings and in files: what was given, and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from pydantic_core import core_schema

from miqa_node.core.settings import Settings, load_settings, share_dir
from miqa_node.core.settings.base import SettingsTable
from miqa_node.core.settings.load import _explain
from miqa_node.core.settings.log_mapping import load_mapping
from miqa_node.core.taxonomy.base import read_taxonomy
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.core.wrong_values import what_is_wrong
from miqa_node.errors import MiqaError, SettingsError
from tests.policies import EVERY_KEY

FOR_PROGRAMMERS = re.compile(
    r"[Ii]nput should|[a-z] should (be|have|match|contain|not)|unable to parse|Field required|Extra inputs|Value error"
    r"|is not a valid \w+|could not convert|NoneType|<class|Traceback|must be real number|^'?\w+'?$"
)
WRONG: tuple[Any, ...] = ("x y\n", -1, 1e300, float("nan"), True, [], [3], ["x y"], {"x y": ["z"]}, {}, None, "")
CONTEXT = dict.fromkeys(
    [
        "actual_length",
        "attribute",
        "class",
        "class_name",
        "decimal_places",
        "discriminator",
        "encoding",
        "error",
        "expected",
        "expected_schemes",
        "expected_tags",
        "expected_version",
        "field_type",
        "ge",
        "gt",
        "le",
        "lt",
        "max_digits",
        "max_length",
        "method_name",
        "min_length",
        "multiple_of",
        "pattern",
        "tag",
        "tz_actual",
        "tz_expected",
        "whole_digits",
    ],
    "what is meant",
)


def _refused() -> Iterator[tuple[str, str, Any, ValidationError]]:
    settings = load_settings()
    for table, field in Settings.model_fields.items():
        kind = field.annotation
        if not isinstance(kind, type) or not issubclass(kind, SettingsTable):
            continue
        values = getattr(settings, table).model_dump()
        for name in kind.model_fields:
            for value in WRONG:
                try:
                    kind.model_validate({**values, name: value})
                except ValidationError as error:
                    yield table, name, value, error


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_no_error_of_the_library_is_repeated(kind: str) -> None:
    for shown in (True, False):
        sentence = what_is_wrong({"type": kind, "input": "abc", "ctx": CONTEXT}, shown=shown)
        assert FOR_PROGRAMMERS.search(sentence) is None, sentence
        assert shown or "abc" not in sentence


def test_a_secret_is_not_repeated() -> None:
    for tables in ({"notices": {"smtp_password": 271828}}, {"web": "271828"}, {"oidc": {"client_sekret": "271828"}}):
        with pytest.raises(SettingsError) as refused:
            load_settings(None, **tables)
        assert "271828" not in str(refused.value)


def _spoilt(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each key of the tables with each wrong value, put in and taken out again; and without it."""
    whole = dict(table)
    for key, good in whole.items():
        for one in good if isinstance(good, list) else [good]:
            if isinstance(one, dict):
                yield from _spoilt(one)
        for value in WRONG:
            table[key] = value
            yield key, value
        del table[key]
        yield key, "absent"
        table.clear()
        table.update(whole)  # in its order: a place may except those above it


def test_every_key_of_a_policy_says_what_it_may_be() -> None:
    document = tomllib.loads(EVERY_KEY)
    parse_policy(document)
    refused = 0
    for key, value in _spoilt(document):
        try:
            parse_policy(document)
        except SettingsError as error:
            refused += 1
            sentence = str(error).removeprefix("policy.toml: ")
            assert FOR_PROGRAMMERS.search(sentence) is None, (key, value, sentence)
            names = (key, *(value if isinstance(value, dict) else ()))
            assert any(one in sentence for one in names) or key in {"above", "below", "each"}, (key, value, sentence)
    assert refused > 150


NOISE = 'finding = "noise"\nthen = "REVIEW"'


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            'finding = "noise"\nthen = "REWIEW"',
            "rule 1: then is 'REWIEW'; here it takes REVIEW, REJECT, HINT.",
        ),
        ('finding = "noise"\nthen = "REVIEW"\nmin_severity = "a lot"', "is 'a lot'; it must be a"),
        (f"{NOISE}\nmin_severity = 1{400 * '0'}", "it must be a number from 0 to 1"),
        (f'{NOISE}\nbody_part = "CHEST"', "body_part is 'CHEST'; it must be a list of names"),
        ('measurement = "x"\nthen = "REVIEW"\nreason = "noise"', "a limit is missing"),
        (f'{NOISE}\nmodalty = ["DX"]', "there is no key modalty. Did you mean modality?"),
        (f'{NOISE}\nwhere = "chest"', "no place above is called 'chest'."),
    ],
)
def test_a_mistake_in_a_policy_is_mended_by_its_message(rule: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_policy(tomllib.loads(f'version = "1"\n[[rule]]\nevidence = "site"\n{rule}\n'))
    assert says in str(refused.value)


def test_the_shipped_policy_is_read() -> None:
    parse_policy(tomllib.loads((share_dir("config") / "policy.toml").read_text("utf-8")))


@pytest.mark.parametrize("line", ["colour = 3", "order = 'x'", "finding = 3", "[finding.x]\nreason = 3", "[gate.x]"])
def test_a_taxonomy_says_what_is_wrong(tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f"{line}\n")
    with pytest.raises(MiqaError) as refused:
        read_taxonomy(file)
    assert FOR_PROGRAMMERS.search(str(refused.value)) is None, str(refused.value)


def test_a_mapping_of_reject_logs_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('title = 3\ntime_formats = "x"\ndecimal = ";"\ncolumns = []\n')
    with pytest.raises(SettingsError) as refused:
        load_mapping("own", tmp_path)
    assert FOR_PROGRAMMERS.search(str(refused.value)) is None
    assert "decimal: ';' is not a point or a comma." in str(refused.value)


@pytest.mark.more
def test_every_setting_says_what_it_may_be() -> None:
    cases = list(_refused())
    assert len(cases) > 1000
    assert len({(table, name) for table, name, _, _ in cases}) > 150
    for table, name, value, error in cases:
        sentences = _explain(error).splitlines()[1:-1]
        assert sentences, (table, name, value)
        for sentence in sentences:
            assert FOR_PROGRAMMERS.search(sentence.partition("] ")[2]) is None, (table, name, value, sentence)
