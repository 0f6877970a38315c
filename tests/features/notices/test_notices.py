"""Notices by e-mail reach a real SMTP server: once, in the person's language, and without a patient."""

from __future__ import annotations

import email
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import trustme

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.notice import NoticeKind, NoticePreference, NoticeState, last_shifts
from miqa_node.core.domain.room import Place
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import ConflictError, DeliveryError, DeliveryRefusedError, SettingsError
from miqa_node.features.notices.rows import notices
from miqa_node.features.notices.work import NoticeSender
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people import tokens, users
from miqa_node.runtime.site_records import machine_concerns, notice_status, rooms
from miqa_node.runtime.site_records.machine_concerns import MachineConcern
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.tables import notices as table
from miqa_node.runtime.store.tables import users as accounts
from miqa_node.runtime.store.tables import worklist
from miqa_node.stages.deliver.mail import probe_mail, send_mail
from tests.conftest import free_port
from tests.web.staging import PATIENT_NAME, Stage

pytest.importorskip("aiosmtpd", reason="a mail server for tests: pip install aiosmtpd")

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

SECRET = "a word"
BERLIN = ZoneInfo("Europe/Berlin")


class PostOffice:
    """Keeps what it takes; ``answer`` is its reply to the end of a mail, if it refuses."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = ""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answer:
            return self.answer
        mail = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    @property
    def texts(self) -> list[str]:
        return [mail.get_content() for mail in self.mails]


class Office:
    """A server on a free port with the settings that lead to it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.post = PostOffice()
        port = free_port()
        self._controller = Controller(self.post, hostname="127.0.0.1", port=port, **options)
        self._controller.start()
        self.table = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "off", "sender": "miqa@example.org"}
        self.folder = folder

    def settings(self, **changes: Any) -> Settings:
        return load_settings(
            node={"data_dir": self.folder, "time_zone": "Europe/Berlin"}, web={"public_url": "https://miqa.example"},
            notices={**self.table, **changes},
        )  # fmt: skip

    def stop(self) -> None:
        if not self._controller.loop.is_closed():
            self._controller.stop(no_assert=True)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def stage(office: Office) -> Iterator[Stage]:
    settings = office.settings()
    database = Database(settings.database_url)
    database.migrate()
    yield Stage(WebServices(database, DiskObjects(settings.objects_dir), settings, list), [])
    database.close()


def in_last_shift() -> datetime:
    """A moment of the shift that ended last."""
    shifts = load_settings().analysis.shifts
    return last_shifts(shifts, datetime.now(UTC), BERLIN)[-1].begin.astimezone(UTC) + timedelta(minutes=5)


def subscribe(stage: Stage, name: str = "mara", **wishes: Any) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=5)
    with stage.services.database.begin() as transaction:
        if users.find(transaction, name) is None:
            users.add(transaction, name, Role.REVIEWER, long_ago)
        wish = NoticePreference(name, f"{name}@example.org", **wishes)
        notices.save(transaction, wish, long_ago)


def states(database: Database) -> list[tuple[str, str, int]]:
    with database.begin() as transaction:
        query = sa.select(table.c.kind, table.c.state, table.c.attempts).order_by(table.c.notice_id)
        return [(row.kind, row.state, row.attempts) for row in transaction.execute(query)]


def test_a_digest_says_what_was_flagged_and_names_no_patient(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    NoticeSender(stage.services.database, office.settings()).look()
    [mail] = office.post.mails
    [text] = office.post.texts
    assert (mail["to"], mail["from"], mail["auto-submitted"]) == (
        "mara@example.org",
        "miqa@example.org",
        "auto-generated",
    )
    assert "Flagged studies: 1, shift" in mail["subject"]
    assert "https://miqa.example/studies/1.2.3.1" in text
    assert "Motion blur" in text
    assert "ROOM1" in text
    for private in ("Muster", "Erika", "PID1", "ACC1"):
        assert private not in mail.as_string()


def test_each_person_gets_a_shift_once_whatever_number_of_processes_look(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    subscribe(stage, "jonas", language="de")
    senders = [NoticeSender(stage.services.database, office.settings()) for _ in range(3)]
    for sender in (*senders, *senders):
        sender.look()
    assert sorted(str(mail["to"]) for mail in office.post.mails) == ["jonas@example.org", "mara@example.org"]
    german = next(mail for mail in office.post.mails if mail["to"] == "jonas@example.org")
    assert "Bewegungsunschärfe" in german.get_content()
    assert "Schicht" in german["subject"]


def test_machines_are_told_to_whoever_asked_and_only_while_it_stands(stage: Stage, office: Office) -> None:
    subscribe(stage, machines=True)
    subscribe(stage, "jonas", machines=True, language="de", digest=False)
    subscribe(stage, "otto")
    database, now = stage.services.database, datetime.now(UTC)
    text = Phrase("{machine} · {kind}: the scan was due on {day}", machine="CT-2", kind="Catphan 504", day="2026-11-01")
    first = MachineConcern("h/overdue/2026-11-01", text, "/phantoms/log/h", now)
    with database.begin() as transaction:
        machine_concerns.state(transaction, "phantoms", [first])
        machine_concerns.state(transaction, "another", [])
    sender = NoticeSender(database, office.settings())
    for _ in range(2):
        sender.look()
    assert sorted(str(mail["to"]) for mail in office.post.mails) == ["jonas@example.org", "mara@example.org"]
    german, english = sorted(office.post.mails, key=lambda mail: str(mail["to"]))
    assert (
        "CT-2 · Catphan 504: the scan was due on 2026-11-01\n  https://miqa.example/phantoms/log/h"
        in english.get_content().replace("\r\n", "\n")
    )
    assert "fällig" in german.get_content()
    assert english["subject"] == "[miqa] Quality control: 1 row to look at"
    second = replace(first, subject="h/fail/2026-11-02", since=now + timedelta(seconds=1))
    with database.begin() as transaction:
        machine_concerns.state(transaction, "phantoms", [replace(first, since=second.since), second])
        assert [one.since for one in machine_concerns.standing(transaction)] == [now, second.since]
        notices.plan(transaction, [], timedelta(minutes=30), now)
        machine_concerns.state(transaction, "phantoms", [first])
    sender.look()
    assert len(office.post.mails) == 2, "it no longer stands"


def test_an_end_of_a_token_is_one_mail_to_its_owner_and_to_administrators(stage: Stage, office: Office) -> None:
    database, now = stage.services.database, datetime.now(UTC)
    subscribe(stage, digest=False)
    subscribe(stage, "jonas", digest=False)
    subscribe(stage, "anna", digest=False, language="de")
    with database.begin() as transaction:
        transaction.execute(sa.update(accounts).where(accounts.c.name == "anna").values(role=Role.ADMIN.value))
        users.add(transaction, "ris", Role.SERVICE, now)
        end = now.replace(hour=12, minute=0) + timedelta(days=10)
        for name, label, at in (
            ("mara", "scripts", end),
            ("ris", "RIS", end),
            ("ris", "later", end + timedelta(days=60)),
        ):
            tokens.add(transaction, name, label, [Permission.READ], now - timedelta(days=80), at)
    sender = NoticeSender(database, office.settings())
    for _ in range(2):
        sender.look()
    german, english = sorted(office.post.mails, key=lambda mail: str(mail["to"]))
    assert (german["to"], english["to"]) == ("anna@example.org", "mara@example.org")
    assert english["subject"] == "[miqa] Tokens that end soon: 1"
    text = english.get_content()
    assert f"mara · scripts · {end.astimezone(BERLIN):%Y-%m-%d %H:%M}" in text
    assert "users token rotate" in text
    assert "RIS" not in text
    assert "mara · scripts" in german.get_content()
    assert "ris · RIS" in german.get_content()
    assert "later" not in german.get_content()


def test_a_room_that_is_newly_told_is_one_mail_until_somebody_has_seen_it(stage: Stage, office: Office) -> None:
    subscribe(stage)
    subscribe(stage, "jonas", language="de", rooms=("ROOM2",))
    database, place, now = stage.services.database, Place("quality", "CHEST", "ROOM1", "PA"), datetime.now(UTC)
    with database.begin() as transaction:
        rooms.begin(transaction, place, now)
        rooms.tell(transaction, place, ["noise"], [], now)
    sender = NoticeSender(database, office.settings())
    for _ in range(3):
        sender.look()
    [mail], [text] = office.post.mails, office.post.texts
    assert (mail["to"], mail["subject"]) == ("mara@example.org", "[miqa] A room to look at: CHEST, ROOM1, PA")
    assert "Check dose and exposure index" in text
    later = now + timedelta(seconds=1)
    with database.begin() as transaction:
        rooms.tell(transaction, place, ["noise", "unsharp"], [], later)
        rooms.see(transaction, [place], "mara", "", later)
    sender.look()
    assert len(office.post.mails) == 1, "somebody has seen it"
    with database.begin() as transaction:
        rooms.tell(transaction, place, ["noise", "unsharp", "anomaly"], [], later + timedelta(seconds=1))
    sender.look()
    assert "Unusual image" in office.post.texts[1]
    assert "Noisy" not in office.post.texts[1], "somebody has seen that"


def test_reasons_that_are_no_findings_are_in_the_words_of_pages(stage: Stage, office: Office) -> None:
    for number, name in enumerate(("anomaly", "crushed_dark_share"), 1):
        stage.add(number, finding=FindingName(name), at=in_last_shift())
    subscribe(stage, language="de")
    NoticeSender(stage.services.database, office.settings()).look()
    [text] = office.post.texts
    assert "Ungewöhnliches Bild" in text
    assert "Crushed" not in text


def test_two_claims_of_one_notice_give_it_to_one(stage: Stage) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    database, now, lease = stage.services.database, datetime.now(UTC), timedelta(minutes=5)
    with database.begin() as transaction:
        shifts = last_shifts(load_settings().analysis.shifts, now, BERLIN)
        for _ in range(2):
            notices.plan(transaction, shifts[-1:], timedelta(hours=4), now)
        assert notices.claim(transaction, now, lease) is not None
        assert notices.claim(transaction, now, lease) is None
        again = notices.claim(transaction, now + timedelta(minutes=6), lease)
    assert again is not None, "the process that held it was killed"
    assert again[1].attempts == 2


def test_a_server_that_is_away_is_asked_again_and_the_repetition_can_be_recognised(
    stage: Stage, office: Office
) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    office.post.answer = "451 later"
    sender = NoticeSender(stage.services.database, office.settings())
    sender.look()
    assert ("digest", NoticeState.WAITING, 1) in states(stage.services.database)
    with stage.services.database.begin() as transaction:
        status = notice_status.status(transaction, datetime.now(UTC))
        assert (status.retried, status.failed) == (1, 0)
        assert "451" in status.last_error
        transaction.execute(sa.update(table).values(next_attempt_at=datetime.now(UTC)))
    office.post.answer = ""
    sender.look()
    assert states(stage.services.database)[-1][1] == NoticeState.SENT
    first = office.post.mails[0]["message-id"]
    with stage.services.database.begin() as transaction:  # as if killed between the server's yes and the commit
        transaction.execute(sa.update(table).values(state=NoticeState.WAITING.value, next_attempt_at=datetime.now(UTC)))
    sender.look()
    assert {mail["message-id"] for mail in office.post.mails} == {first}


def test_what_a_server_will_never_take_is_given_up_and_shown(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    office.post.answer = "550 nobody of that name"
    NoticeSender(stage.services.database, office.settings()).look()
    assert states(stage.services.database)[-1][1] == NoticeState.FAILED
    with stage.services.database.begin() as transaction:
        assert notice_status.status(transaction, datetime.now(UTC)).failed == 1


def test_a_reject_that_nobody_decides_is_told_once_and_a_decided_one_never(stage: Stage, office: Office) -> None:
    at = datetime.now(UTC) - timedelta(hours=6)
    stage.add(1, at=at)
    stage.add(2, Verdict.REVIEW, at=at)
    stage.add(3, at=at)
    with stage.services.database.begin() as transaction:
        done = worklist.c.study_instance_uid == "1.2.3.3"
        transaction.execute(sa.update(worklist).where(done).values(state="RESOLVED"))
    subscribe(stage, digest=False, escalation=True)
    sender = NoticeSender(stage.services.database, office.settings())
    sender.look()
    sender.look()
    [mail] = office.post.mails
    assert "Undecided reject" in mail["subject"]
    assert "1.2.3.1" in mail.get_content()


def test_only_ones_rooms_and_nothing_where_nothing_happened(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage, rooms=("Elsewhere",))
    NoticeSender(stage.services.database, office.settings()).look()
    assert not office.post.mails
    assert {state for _, state, _ in states(stage.services.database)} == {NoticeState.VOID}


def test_quiet_hours_put_a_notice_off(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    local = datetime.now(BERLIN)
    quiet = {"quiet_from": f"{local - timedelta(hours=1):%H:%M}", "quiet_until": f"{local + timedelta(hours=1):%H:%M}"}
    subscribe(stage, **quiet)
    NoticeSender(stage.services.database, office.settings()).look()
    assert not office.post.mails
    assert {(state, attempts) for _, state, attempts in states(stage.services.database)} == {(NoticeState.WAITING, 0)}


def test_patients_are_named_only_where_the_site_says_so(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    NoticeSender(stage.services.database, office.settings(patient_data=True)).look()
    assert PATIENT_NAME.replace("^", " ") in office.post.texts[0]


def test_disabled_accounts_get_nothing(stage: Stage, office: Office) -> None:
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.text("UPDATE users SET disabled = true"))
        with pytest.raises(ConflictError):
            notices.save(transaction, NoticePreference("nobody", "a@b"), datetime.now(UTC))
    NoticeSender(stage.services.database, office.settings()).look()
    assert not office.post.mails


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return context, file


def test_signing_in_over_starttls_with_the_password_of_a_file(tmp_path: Path) -> None:
    context, file = certificate(tmp_path)

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: LoginPassword) -> AuthResult:
        return AuthResult(success=login.password == SECRET.encode(), handled=False)

    office = Office(tmp_path, tls_context=context, require_starttls=True, authenticator=check, auth_required=True)
    try:
        password = tmp_path / "password"
        password.write_text(f"{SECRET}\n")
        table = {"smtp_tls": "starttls", "smtp_ca": str(file), "smtp_user": "miqa", "smtp_password_file": str(password)}
        rules = office.settings(**table).notices
        assert "STARTTLS" in probe_mail(rules)
        send_mail(rules, "mara@example.org", "Grüße", "Übung", "<1@example.org>")
        assert (office.post.mails[0]["subject"], office.post.texts) == ("Grüße", ["Übung\r\n"])
        password.write_text("wrong")
        with pytest.raises(DeliveryError, match="smtp_user") as wrong:
            probe_mail(rules)
        assert not isinstance(wrong.value, DeliveryRefusedError)
        with pytest.raises(DeliveryError, match="not trusted"):
            probe_mail(replace_ca(rules))
        password.unlink()
        with pytest.raises(DeliveryError, match="smtp_password_file"):
            probe_mail(rules)
    finally:
        office.stop()


def replace_ca(rules: Any) -> Any:
    return rules.model_copy(update={"smtp_ca": ""})


def test_a_server_that_is_not_there_and_one_without_tls(office: Office) -> None:
    with pytest.raises(DeliveryError, match="offers no STARTTLS"):
        probe_mail(office.settings(smtp_tls="starttls").notices)
    rules = office.settings().notices
    office.stop()
    with pytest.raises(DeliveryError, match="does not answer"):
        probe_mail(rules)
    with pytest.raises(SettingsError, match="smtp_tls"):
        office.settings(smtp_user="miqa")
    with pytest.raises(SettingsError, match="sender"):
        office.settings(sender="")


def test_shifts_follow_the_clock_of_the_site_also_when_it_changes() -> None:
    shifts = {"early": "06:00", "late": "14:00", "night": "22:00"}
    after = datetime(2026, 10, 25, 8, 0, tzinfo=BERLIN)  # the night was an hour longer
    spans = last_shifts(shifts, after, BERLIN)
    assert [one.subject for one in spans] == ["2026-10-24/early", "2026-10-24/late", "2026-10-24/night"]
    night = spans[-1]
    assert night.end.astimezone(UTC) - night.begin.astimezone(UTC) == timedelta(hours=9)
    one = NoticePreference("mara", "m@example.org", quiet_from="12:00", quiet_until="13:00")
    assert one.quiet_end(datetime(2026, 1, 2, 12, 30, tzinfo=BERLIN)) == datetime(2026, 1, 2, 13, 0, tzinfo=BERLIN)
    assert not replace(one, address="").wants(NoticeKind.DIGEST)


def test_old_notices_go_only_if_the_clock_is_trusted(stage: Stage, office: Office) -> None:
    database = stage.services.database
    stage.add(1, at=in_last_shift())
    subscribe(stage)
    NoticeSender(database, office.settings()).look()
    with database.begin() as transaction:
        transaction.execute(sa.update(table).values(made_at=datetime.now(UTC) - timedelta(days=91)))
    before = states(database)
    assert before
    NoticeSender(database, office.settings(), trusted_now=lambda: None).look()
    assert states(database) == before
    NoticeSender(database, office.settings()).look()
    assert states(database) == []
