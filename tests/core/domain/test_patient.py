"""Who the patient of an image is."""

from __future__ import annotations

import pytest

from miqa_node.core.domain.patient import PatientKey, issuer_text
from miqa_node.core.domain.senders import AuthorityRules
from miqa_node.errors import SettingsError


def test_no_two_patients_share_a_text_and_one_without_authority_keeps_the_one_it_had() -> None:
    keys = [
        PatientKey(number, authority)
        for number in ("1001", "1001\n\nNORTH", "1001\n\n", "^^^")
        for authority in ("", "NORTH", "SOUTH")
    ]
    assert len({key.text() for key in keys}) == len(keys)
    assert PatientKey("1001").text() == PatientKey("1001", None).text() == "1001"


def test_an_unknown_authority_is_none_of_the_named_ones_and_no_id_names_nobody() -> None:
    assert PatientKey("1001", None) not in (PatientKey("1001", ""), PatientKey("1001", "NORTH"))
    assert [PatientKey("1001", None).is_shared, PatientKey("", "NORTH").is_shared] == [False, False]


def test_the_issuer_is_the_universal_id_or_the_local_name() -> None:
    assert issuer_text("NORTH", "1.2.3", "iso ") == issuer_text("N", "1.2.3") == "&1.2.3&ISO"
    assert issuer_text(" NORTH \n WING") == "NORTH WING"
    assert issuer_text("") == ""


def test_the_header_comes_before_the_sender_and_the_sender_before_the_node() -> None:
    rules = AuthorityRules.of("OWN", ["CT ROOM@10.1.0.0/16 SOUTH CLINIC", "GATE@* WEST"], {"Nord": "NORTH", "OWN": "X"})
    assert rules.authority("Nord", "CT ROOM", "10.1.2.3") == "NORTH"
    assert rules.authority("", "CT ROOM", "::ffff:10.1.2.3") == "SOUTH CLINIC"
    assert rules.authority("", "CT ROOM", "10.2.2.3") == "X"  # the same title at another address is another sender
    assert rules.authority("", "GATE", "a folder") == "WEST"


@pytest.mark.parametrize("entry", ["CT1@10.0.0.5", "CT1 NORTH", "CT1@nowhere NORTH", ""])
def test_a_wrong_entry_is_named_with_its_setting(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"patients\.senders"):
        AuthorityRules.of("", [entry], {})
