"""A wrong setting is refused in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import Settings, load_settings
from miqa_node.core.settings.base import SettingsTable
from miqa_node.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[dicom]\nprot = 104\n", "[dicom.prot] There is no such setting. Did you mean port?"),
        ("[dicon]\nport = 104\n", "[dicon] There is no such table. Did you mean dicom?"),
        ("[work]\nconcurrency = 2\n", "[work.concurrency] There is no such setting."),
        ("[deliver]\nmax_attempts = 5\n", "[deliver.max_attempts] There is no such setting."),
        ('[web]\npublic_url = "https://miqa.example.org/miqa"\n', "[web.public_url] is http:// or https:// and a host"),
        ('[web]\npublic_url = "miqa.example.org"\n', "[web.public_url] is http:// or https:// and a host"),
        ('[node]\ntime_zone = "Nowhere"\n', "[node.time_zone] 'Nowhere' is not the name of a time zone"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    assert says in str(refused.value)
    assert "Value error" not in str(refused.value)


def test_shifts_of_the_site_replace_the_default_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[analysis]\nshifts = {day = "07:00", night = "19:00"}\n')
    assert load_settings(file).analysis.shifts == {"day": "07:00", "night": "19:00"}
    monkeypatch.setenv("MIQA_ANALYSIS__SHIFTS", '{"all": "08:00"}')
    assert load_settings().analysis.shifts == load_settings(file).analysis.shifts == {"all": "08:00"}
    assert load_settings().analysis.rooms == {}


def test_a_lone_carriage_return_is_said_to_be_no_toml(tmp_path: Path) -> None:
    """Read as text it would pass the check, and end what reads the file next in an exception."""
    path = tmp_path / "miqa.toml"
    path.write_bytes(b"\r")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        load_settings(path)


DURATIONS = [
    (table, name)
    for table, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsTable)
    for name in field.annotation.model_fields
    if name.rsplit("_", 1)[-1] in ("s", "minutes", "hours", "days") and name != "min_bytes_per_s"
]


@pytest.mark.parametrize(("table", "name"), DURATIONS)
@pytest.mark.parametrize("value", [1e12, float("inf"), float("nan")])
def test_no_duration_is_longer_than_a_clock_can_count(table: str, name: str, value: float) -> None:
    """The node would start, and fail at the first image, page or socket that it computes with."""
    with pytest.raises(SettingsError, match=rf"\[{table}.{name}\]"):
        load_settings(None, **{table: {name: value}})


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MIQA_DICOM", "{hidden"), ("MIQA_DICOM__ALLOWED_PEERS", "CT1@10.0.0.7"), ("MIQA_RETENTION__SOURCES", "CT1=7")],
)
def test_a_variable_that_must_be_json_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{variable} cannot be read as JSON")
    assert value not in str(refused.value), "it may be a secret"
