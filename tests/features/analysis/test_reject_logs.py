"""Reject logs of modalities: what is read of them, what never is, and that an exposure counts once."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.log_mapping import LogMapping, load_mapping, mappings
from miqa_node.errors import NotFoundError, QueryError, SettingsError
from miqa_node.features.analysis.csv_files import reject_rows
from miqa_node.features.analysis.log_import import keep, preview
from miqa_node.features.analysis.log_reader import LogReading, read_log
from miqa_node.features.analysis.rejects import RejectAnalysis, analyse
from miqa_node.features.analysis.report import make_report
from miqa_node.features.analysis.rows import reject_logs, rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import audit_records, logged_rejects
from tests.features.analysis.rows.test_analysis import NOON, RULES, put

NOW = datetime(2026, 11, 1, 12)  # noqa: DTZ001 - the hospital's local time
GENERIC = """Date and time,Room,Technologist,Patient name,Patient ID,Body part,View,Reject reason,EI,DI,kVp,mAs
2026-01-02 12:00:40,Thorax 1,Kunz^Mara,Muster^Erika,4711,CHEST,PA,Patient motion,250,-1.5,125,2.0
2026-01-02 13:00:00,Thorax 1,Kunz^Mara,Muster^Erika,4711,CHEST,LL,Anatomy cut-off,,,,
2026-01-03 08:00:00,Thorax 1,Bo,Muster^Max,4712,CHEST,PA,Pet in the room,,,,
"""
CONSOLE = """Repeat/Reject Analysis,,,,,,,
Hospital: Example,,,,,,,
Exam Date,Exam Time,System ID,Patient,Anatomy,View,Status,Reject Reason,DEI
10/31/2026,02:05:09 PM,DX7,DOE^JANE,Thorax,Chest PA,Rejected,Tech Positioning Error,1.2
10/31/2026,02:06:10 PM,DX7,DOE^JANE,Thorax,Chest PA,Accepted,,1.0
10/31/2026,11:59:59 PM,DX7,ROE^JOHN,L-Spine,Lat,Rejected,AEC Error,0.4
Total,2,,,,,,
"""
LISTE = """Ausschussliste;;;;;;
Aufnahmezeitpunkt;Gerät;Patientenname;MTR;Körperteil;Projektion;Ablehnungsgrund;EI;DI
31.10.2026 14:05:09;DX7;Muster, Erika;Müller;Thorax;p.a.;Bewegungsunschärfe;1.250,5;-2,5
31.10.2026 14:10:00;DX7;Muster, Erika;Müller;Knie;a.p.;Doppelbelichtung;;
"""


def understand(text: str | bytes, name: str = "generic", room: str = "", rules: AcquisitionRules = RULES) -> LogReading:
    data = text if isinstance(text, bytes) else text.encode()
    return read_log(data, name, load_mapping(name, None), rules, NOW, room)


def counted(transaction: Transaction, since: date = date(2026, 1, 1), **values: str) -> RejectAnalysis:
    rollup.refresh(transaction, datetime.now(UTC))
    return analyse(transaction, Period(since, date(2026, 12, 31), **values), load_settings().analysis)


def test_what_a_log_says_is_read_and_what_names_a_patient_is_not() -> None:
    read = understand(GENERIC)
    first, second, third = read.rejects
    assert (first.at, first.room, first.body_part, first.view) == (
        NOON + timedelta(seconds=40),
        "Thorax 1",
        "CHEST",
        "PA",
    )
    assert (first.reason, first.code, first.finding) == ("motion", "111210", "motion_blur")
    assert (first.exposure_index, first.deviation_index, first.kvp, first.mas) == (250.0, -1.5, 125.0, 2.0)
    assert first.shift == "early"
    assert first.operator.startswith("op-"), "people are pseudonyms, as everywhere"
    assert (second.reason, second.finding, second.exposure_index) == ("anatomy_cutoff", "clipped_anatomy", None)
    assert (third.reason, third.code) == ("other", "111220")
    assert read.other_words == (("Pet in the room", 1),)
    assert read.dropped == ("Patient name", "Patient ID")
    assert not read.faults
    assert not {"Muster", "4711", "Mara"} & {word for word in ("Muster", "4711", "Mara") if word in str(read.rejects)}


def test_a_console_in_english_with_titles_a_status_and_a_total() -> None:
    read = understand(CONSOLE, "exposure-log")
    assert [(one.at.isoformat(), one.body_part, one.view, one.reason) for one in read.rejects] == [
        ("2026-10-31T14:05:09", "CHEST", "PA", "positioning"),
        ("2026-10-31T23:59:59", "LSPINE", "LL", "exposure"),
    ]
    assert (read.skipped, read.faults, read.dropped) == (1, (), ("Patient",))
    assert read.rejects[1].shift == "night"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_console_in_german(encoding: str) -> None:
    read = understand(LISTE.encode(encoding), "ausschuss-liste")
    first, second = read.rejects
    assert (first.body_part, first.view, first.finding, first.exposure_index) == ("CHEST", "PA", "motion_blur", 1250.5)
    assert (first.deviation_index, second.reason, second.body_part) == (-2.5, "double_exposure", "KNEE")
    assert read.dropped == ("Patientenname",)


def test_a_log_in_another_encoding_is_refused_rather_than_read_with_question_marks() -> None:
    cyrillic = GENERIC.replace("Pet in the room", "Ѓ-Движение").encode("cp1251")
    with pytest.raises(QueryError, match="Line 4 has bytes"):
        understand(cyrillic)


def test_bad_rows_are_named_by_line_and_nothing_is_kept(database: Database) -> None:
    text = GENERIC + "yesterday,Thorax 1,,,,,,Motion,,,,\n2027-01-01 08:00:00,Thorax 1,,,,,,Motion,,,,\n"
    read = understand(text + "2026-01-04 08:00:00,,,,,,,Motion,,,,\n2026-01-04 08:00:00,Thorax 1,,,,,,Motion,much,,,\n")
    assert [fault.line for fault in read.faults] == [5, 6, 7, 8]
    assert "yesterday" in read.faults[0].text
    assert "future" in read.faults[1].text
    assert "room" in read.faults[2].text
    assert "exposure index" in read.faults[3].text
    with database.begin() as transaction:
        with pytest.raises(QueryError, match="line 5"):
            keep(transaction, read, "mara")
        assert not reject_logs.listed(transaction)


def test_a_year_before_the_calendar_is_a_bad_row() -> None:
    read = understand(GENERIC + "0001-01-01 08:00:00,Thorax 1,,,,,,Motion,,,,\n")
    assert [fault.text for fault in read.faults] == ["'0001-01-01 08:00:00' lies before 1900-01-01"]


def test_a_time_with_its_offset_counts_on_the_clock_of_the_hospital() -> None:
    mapping = load_mapping("generic", None).model_copy(update={"time_formats": ("%Y-%m-%dT%H:%M:%S%z",)})
    text = "Date and time,Room,Reject reason\n2026-10-31T23:30:00-0500,Thorax 1,Patient motion\n"
    [reject] = read_log(text.encode(), "own", mapping, replace(RULES, zone=ZoneInfo("Europe/Berlin")), NOW).rejects
    assert (reject.at.isoformat(), reject.shift) == ("2026-11-01T05:30:00", "night")


@pytest.mark.parametrize("data", [b"", b"\0\1\2", b"\xff\xfeabc", b"a,b\n1,2\n", b'Date,Reason\n"2026', b"PK\x03\x04"])
def test_what_is_no_log_is_refused(data: bytes) -> None:
    with pytest.raises(QueryError):
        understand(data)


def test_the_room_may_be_given_or_follow_from_the_unit() -> None:
    text = "Date,Time,Station,Reject reason\n2026-01-02,12:00:00,ROOM1,Motion\n"
    assert understand(text).rejects[0].room == "Thorax 1"
    assert understand(text, room="Bone 2").rejects[0].room == "Bone 2"


def test_the_same_rows_count_once_and_equal_rows_of_one_log_do_not(database: Database) -> None:
    twice = GENERIC + GENERIC.splitlines()[1] + "\n"
    with database.begin() as transaction:
        first = keep(transaction, understand(GENERIC), "mara")
        assert first.log is not None
        assert (first.log.rejects, first.known, first.log.rooms) == (3, 0, ("Thorax 1",))
        assert preview(transaction, understand(GENERIC)).known == 3
        assert keep(transaction, understand(GENERIC), "mara").log is None
        other_key = AcquisitionRules(rooms=RULES.rooms)
        assert keep(transaction, understand(GENERIC, rules=other_key), "mara").log is None
        second = keep(transaction, understand(twice), "mara")
        assert second.log is not None
        assert (second.log.rejects, second.log.known) == (1, 3)
        assert len(reject_logs.listed(transaction)) == 2


def test_an_import_is_recorded_and_can_be_taken_back(database: Database) -> None:
    now = datetime.now(UTC)
    with database.begin() as transaction:
        log = keep(transaction, understand(GENERIC), "mara").log
        assert log is not None
        reject_logs.remove(transaction, log.log_id, "jo", now)
        with pytest.raises(NotFoundError):
            reject_logs.remove(transaction, log.log_id, "jo", now)
        assert not transaction.execute(sa.select(logged_rejects)).all()
        of = audit_records.c
        rows = transaction.execute(sa.select(of.actor, of.detail).where(of.event == AuditEvent.IMPORTED.value)).all()
    assert [row.actor for row in rows] == ["mara", "jo"]
    assert '"rejects":3' in rows[0].detail.replace(" ", "")
    assert not any(word in str(rows) for word in ("Muster", "4711", "Kunz"))


def test_two_rejects_are_two_exposures_whatever_images_are_near(database: Database) -> None:
    text = "Date,Time,Room,View,Reject reason\n" + "".join(
        f"2026-01-02,{when},Thorax 1,{view},Motion\n" for when, view in (("12:00:00", "PA"), ("12:00:03", "PA"))
    )
    with database.begin() as transaction:
        put(transaction, 1, NOON + timedelta(seconds=1), view_position="PA")
        put(transaction, 2, NOON + timedelta(seconds=4), view_position="LL", patient=2)
        keep(transaction, understand(text), "mara")
        after = counted(transaction)
        assert (after.rejected.count, after.rejected.total) == (2, 3), "the lateral image is another exposure"


def test_filters_apply_to_logged_rejects_too(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1, NOON)
        keep(transaction, understand(GENERIC), "mara")
        assert counted(transaction, room="Thorax 1").logged == 2
        assert counted(transaction, room="Elsewhere").logged == 0
        assert counted(transaction, body_part="HAND").logged == 0
        assert counted(transaction, modality="MG").logs == ()
        assert counted(transaction, room="Thorax 1", body_part="CHEST").logged == 2
        assert counted(transaction, since=date(2026, 2, 1)).logs == ()


def test_every_mapping_that_comes_with_the_node_can_be_read(tmp_path: Path) -> None:
    assert set(mappings(None)) == {"generic", "exposure-log", "ausschuss-liste"}
    (tmp_path / "ours.toml").write_text(
        'title = "Ours"\ntime_formats = ["%d/%m/%y %H:%M"]\n[columns]\ntime = ["When"]\nreason = ["Why"]\n'
        'room = ["Where"]\n'
        '[reasons]\nmotion = ["Wobbled"]\n'
    )
    ours = load_mapping("ours", tmp_path)
    read = read_log(b"When;Why;Where\n31/10/26 14:05;wobbled;A\n", "ours", ours, RULES, NOW)
    assert (read.rejects[0].reason, read.rejects[0].clock_error_s) == ("motion", 60.0)
    with pytest.raises(NotFoundError, match="ours"):
        load_mapping("theirs", tmp_path)
    (tmp_path / "ours.toml").write_text('title = "Ours"\ntime_formats = ["%d"]\n[columns]\nwhen = ["When"]\n')
    with pytest.raises(SettingsError, match="when"):
        load_mapping("ours", tmp_path)
    with pytest.raises(ValueError, match="no reason"):
        LogMapping(title="x", time_formats=("%d",), columns={"time": ("a",), "reason": ("b",)}, reasons={"bad": ("x",)})


def test_rows_and_rates_agree_with_the_table(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1, NOON)
        keep(transaction, understand(GENERIC), "mara")
        rows = list(reject_rows(counted(transaction)))
    heads = [str(head) for head in rows[0]]
    whole = dict(zip(heads, rows[1], strict=True))
    assert (whole["rejected"], whole["images"], whole["logged"]) == (2, 3, 2)


def test_shifts_are_those_of_the_site() -> None:
    rules = AcquisitionRules(shifts={"day": time(8), "night": time(20)})
    assert [one.shift for one in understand(CONSOLE, "exposure-log", rules=rules).rejects] == ["day", "night"]


@pytest.mark.more
def test_an_exposure_in_both_counts_once_and_one_that_never_arrived_is_added(database: Database) -> None:
    with database.begin() as transaction:
        for number in range(1, 41):
            put(transaction, number, NOON + timedelta(minutes=10 * number), verdict=Verdict.ACCEPT, patient=number)
        arrived = put(transaction, 50, NOON + timedelta(seconds=42), verdict=Verdict.REJECT, patient=50)
        before = counted(transaction)
        assert (before.rejected.count, before.rejected.total, before.logs, before.logged) == (0, 41, (), 0)
        keep(transaction, understand(GENERIC), "mara")
        after = counted(transaction)
        [source] = after.logs
        # 12:00:40 is the image of 12:00:42, 13:00 LL never arrived, on the 3rd there are no images of the room.
        assert (source.room, source.counted, source.images, source.outside) == ("Thorax 1", 2, 1, 1)
        assert (after.rejected.count, after.rejected.total, after.logged) == (2, 42, 2)
        assert (after.coverage.count, after.coverage.total) == (1, 1), "the modality decided the flagged image"
        assert before.suspected.count - after.suspected.count == 1
        assert {one.code: one.of_images.count for one in after.reasons} == {"111210": 1, "111209": 1}
        rooms = {one.value: (one.images, one.rejected.count, one.logged) for one in after.groups["room"]}
        assert rooms == {"Thorax 1": (42, 2, 2)}
        assert {one.value for one in after.groups["station"]} == {"ROOM1"}, "no rate of what only the log names"
        assert sum(point.counts.images for point in after.trend) == 42
        assert any("imported reject log of Thorax 1" in text and "not counted" in text for text in after.sources)

        opinion = ReaderOpinion("anna", LabelOrigin.DECISION, False, rejects=True, reason="111210")
        labels.add(transaction, arrived, opinion, datetime.now(UTC))
        decided = counted(transaction)
        assert (decided.rejected.count, decided.rejected.total, decided.logged) == (2, 42, 1), "decided here and there"


@pytest.mark.more
def test_report_and_csv_say_what_they_count(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1, NOON)
        keep(transaction, understand(GENERIC), "mara")
        made = make_report(transaction, "2026-01", load_settings())
        rows = list(csv.reader(io.StringIO(made.csv)))
    assert "imported reject log of Thorax 1" in made.html
    assert [row[1] for row in rows if row[0] == "source"][2].startswith("imported reject log of Thorax 1, 2026-01-02")
    assert len({len(row) for row in rows}) == 1
