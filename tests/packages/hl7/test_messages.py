"""Messages: what is in them, what a site may change of them, and that patients stay out of other texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from miqa_hl7.choice import without_patient
from miqa_hl7.message import message_of
from miqa_hl7.template import DEFAULT, read_template
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.operations.command.port_table import port_rows
from tests.packages.hl7.making import TEMPLATE, config, decided, statement, subject
from tests.packages.hl7.receiving import fields, plain


def test_a_message_names_patient_order_study_and_image_where_an_interface_engine_looks() -> None:
    message = message_of(statement(), TEMPLATE)
    (msh,), (pid,), (orc,), (obr,) = (fields(message, name) for name in ("MSH", "PID", "ORC", "OBR"))
    assert (msh[9], msh[10], msh[12], msh[18]) == ("ORU^R01^ORU_R01", statement().result_id, "2.5.1", "UNICODE UTF-8")
    assert (pid[3], pid[5], pid[7]) == ("PAT1001^^^NORTH", "Doe^Jane^^^Dr", "19700101")
    assert (orc[1], orc[2], orc[3]) == ("RE", "ACC4711", "1.2.3")
    assert (obr[2], obr[3], obr[18], obr[20], obr[25]) == ("ACC4711", "1.2.3", "ACC4711", "1.2.3.4.5", "P")
    assert message == message_of(statement(), TEMPLATE), "a repeated message has the same bytes"


@pytest.mark.parametrize(("status", "code"), [("preliminary", "P"), ("final", "F"), ("corrected", "C")])
def test_every_observation_is_as_final_as_the_result(status: str, code: str) -> None:
    message = message_of(statement(status=status), TEMPLATE)
    assert {obx[11] for obx in fields(message, "OBX")} == {code} == {fields(message, "OBR")[0][25]}


def test_texts_with_delimiters_come_back_as_they_were() -> None:
    odd = r"a|b^c~d\e&f ü€"
    message = message_of(replace(decided(f"{odd}\n{odd}"), subject=subject(patient_id=odd)), TEMPLATE)
    assert plain(fields(message, "PID")[0][3].split("^")[0]) == odd
    (comment,) = [obx for obx in fields(message, "OBX") if obx[3].startswith("121106")]
    assert plain(comment[5]) == f"{odd} {odd}"


def test_a_universal_authority_is_an_hd_and_what_nobody_knows_is_never_an_explicit_nothing() -> None:
    message = message_of(statement(subject=subject(authority="&1.2.3&ISO", patient_name="")), TEMPLATE)
    assert fields(message, "PID")[0][3:6] == ["PAT1001^^^&1.2.3&ISO", "", "^^^^^^U"]
    nobody = message_of(statement(subject=subject(patient_id="", authority="")), TEMPLATE)
    assert fields(nobody, "PID")[0][3] == "^^^^U"


def test_numbers_have_no_exponent_and_the_words_stand_beside_the_codes() -> None:
    rows = {obx[3].split("^")[0]: obx for obx in fields(message_of(decided(), TEMPLATE), "OBX")}
    assert (rows["TINY"][2], rows["TINY"][5], rows["TINY"][6]) == ("NM", "0.0000001", "mm^^UCUM")
    assert rows["121071"][5] == "FOREIGN^Foreign object^99MIQA^^^^^^Kette"
    assert (rows["272741003"][4], rows["272741003"][5]) == ("1.2", "7771000^Left^SCT")
    assert rows["READER_DECISION"][5].startswith("DEC_RETAKE^")
    assert "OTHER" not in rows


def test_a_site_s_template_moves_fields_and_adds_numbers(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(
        'numbers = "all"\nnarrative = false\n[fields]\n"PV1-2" = "O"\n"OBR-3" = "{unit_uid}"\n"ORC-2" = ""\n'
    )
    message = message_of(statement(), read_template(file))
    assert fields(message, "OBR")[0][3] == "1.2.3.4.5"
    assert fields(message, "PV1")[0][2] == "O"
    assert fields(message, "ORC")[0][2] == ""
    assert fields(message, "OBR")[0][4] == "111101^Image Quality^DCM", "the other fields are those of the default"
    codes = [obx[3].split("^")[0] for obx in fields(message, "OBX")]
    assert "OTHER" in codes
    assert "111412" not in codes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "unknown: colour"),
        ('numbers = "some"', "numbers"),
        ("fields = 1\n", "a table"),
        ('[fields]\n"OBR-4" = ""\n', "requires OBR-4"),
        ('[fields]\n"PV1-3" = "CT"\n', "requires PV1-2"),
        ('[fields]\n"OBR-4" = "Q"\n"OBR-99" = "x"\n', "OBR-99"),
        ('[fields]\n"OBR-4" = "Q"\n"MSH-10" = "x"\n', "MSH-10 is no field"),
        ('[fields]\n"OBR-4" = "{patient_height}"\n', "unknown: patient_height"),
        ('[fields]\n"OBR-4" = 3\n', "must be a text"),
    ],
)
def test_a_wrong_template_is_refused_at_the_start_and_never_replaces_a_good_one(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_template(file)
    with pytest.raises(ValidationError, match=words):
        config(1, template=str(file))


def test_messages_leave_this_machine_without_tls_only_where_the_site_says_so() -> None:
    with pytest.raises(ValidationError, match="allow_plain"):
        config(1, host="ris.example")
    assert config(1, host="ris.example", allow_plain=True).address == "ris.example:1"


def test_the_table_of_ports_lists_a_receiver_by_its_own_protocol() -> None:
    [row] = [one for one in port_rows(load_settings(), [config(2575)]) if one.setting == "destination"]
    assert (row.way, row.address, row.protocol, row.peer, row.tls) == ("out", "127.0.0.1:2575", "HL7", "ris", "no")


def test_a_receiver_s_words_lose_what_they_repeat_of_the_patient() -> None:
    words = "Unknown patient PAT1001 (DOE, Jane, 19700101),\n order ACC4711 " + "x" * 300
    assert without_patient(words, statement()).startswith("Unknown patient … (…, …, …), order … xx")
    assert len(without_patient(words, statement())) == 200


def test_the_template_of_the_distribution_is_good() -> None:
    assert "OBR-4" in read_template(DEFAULT).fields
