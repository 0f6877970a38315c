"""A wrong setting is refused in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.errors import SettingsError
from miqa_node.settings import load_settings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[dicom]\nprot = 104\n", "[dicom.prot] There is no such setting. Did you mean port?"),
        ("[dicon]\nport = 104\n", "[dicon] There is no such table. Did you mean dicom?"),
        ("[work]\nconcurrency = 2\n", "[work.concurrency] This setting has become work.processes"),
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


def test_a_lone_carriage_return_is_said_to_be_no_toml(tmp_path: Path) -> None:
    """Read as text it would pass the check, and end what reads the file next in an exception."""
    path = tmp_path / "miqa.toml"
    path.write_bytes(b"\r")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        load_settings(path)
