"""TOML files as Notepad saves them: with a byte order mark they are read, in another encoding it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import load_settings, read_toml
from miqa_node.errors import SettingsError

TEXT = '# Köln\r\n[node]\r\nname = "radiology-1"\r\n'


def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "miqa.toml"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert read_toml(file) == {"node": {"name": "radiology-1"}}
    assert load_settings(file).node.name == "radiology-1"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_another_encoding_is_named_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "miqa.toml"
    file.write_bytes(TEXT.encode(encoding))
    with pytest.raises(SettingsError, match="save it with the encoding UTF-8"):
        load_settings(file)
