"""What is wrong with a value is said in words, in settings and in files: what was given, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from miqa_node.core.settings import Settings, load_settings
from miqa_node.core.settings.base import SettingsTable
from miqa_node.core.settings.load import _explain
from tests.core.test_wrong_values import FOR_PROGRAMMERS, WRONG


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


def test_every_setting_says_what_it_may_be() -> None:
    cases = list(_refused())
    assert len(cases) > 1000
    assert len({(table, name) for table, name, _, _ in cases}) > 150
    for table, name, value, error in cases:
        sentences = _explain(error).splitlines()[1:-1]
        assert sentences, (table, name, value)
        for sentence in sentences:
            assert FOR_PROGRAMMERS.search(sentence.partition("] ")[2]) is None, (table, name, value, sentence)
