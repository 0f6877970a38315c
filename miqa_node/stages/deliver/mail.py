"""Sends notices by SMTP (RFC 5321), over TLS unless the site turns it off."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from miqa_node.core.domain.network import authority
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.network.tls import client_context
from miqa_node.core.settings import NoticeSettings, SmtpTls
from miqa_node.errors import DeliveryError, DeliveryRefusedError

TIMEOUT_S = 10.0
LASTING = 500
"""Replies with this code or a higher one are permanent failures (RFC 5321 4.2.1)."""


def send_mail(settings: NoticeSettings, address: str, subject: str, text: str, message_id: str) -> None:
    """Submit one mail to the server.

    Raises
    ------
    DeliveryError
        The server does not answer, or cannot take the mail now.
    DeliveryRefusedError
        The server will never take this mail.
    """
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = settings.sender, address, subject
    mail["Date"], mail["Message-ID"] = format_datetime(datetime.now(UTC)), message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
    mail.set_content(text)
    with _session(settings) as server:
        server.send_message(mail)


def probe_mail(settings: NoticeSettings) -> str:
    """Connect, start TLS, sign in, send nothing; the result in words."""
    with _session(settings) as server:
        server.noop()
    protection = (
        Phrase("without TLS") if settings.smtp_tls is SmtpTls.OFF else f"with {settings.smtp_tls.value.upper()}"
    )
    return f"{authority(settings.smtp_host, settings.smtp_port)} answers {protection}"


@contextmanager
def _session(settings: NoticeSettings) -> Iterator[smtplib.SMTP]:
    where = authority(settings.smtp_host, settings.smtp_port)
    try:
        with _connected(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, _password(settings))
            yield server
    except smtplib.SMTPRecipientsRefused as error:
        code = max(reply[0] for reply in error.recipients.values())
        kind = DeliveryRefusedError if code >= LASTING else DeliveryError
        raise kind(
            Phrase("{where} refuses the recipient ({code}).", where=where, code=code)
        ) from None  # the server's message may name a person
    except smtplib.SMTPResponseException as error:
        is_lasting = error.smtp_code >= LASTING and not isinstance(error, smtplib.SMTPAuthenticationError)
        kind = DeliveryRefusedError if is_lasting else DeliveryError
        is_sign_in = isinstance(error, smtplib.SMTPAuthenticationError)
        hint = Phrase(" Check smtp_user and its password.") if is_sign_in else ""
        raise kind(Phrase("{where} answered {code}.{hint}", where=where, code=error.smtp_code, hint=hint)) from None
    except smtplib.SMTPNotSupportedError:
        raise DeliveryError(
            "{where} offers no {protection} or no sign-in.", where=where, protection=settings.smtp_tls.value.upper()
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(
            "{where}: its certificate is not trusted: {verify_message}.",
            where=where,
            verify_message=error.verify_message,
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError("{where} does not answer: {name}.", where=where, name=type(error).__name__) from error


def _connected(settings: NoticeSettings) -> smtplib.SMTP:
    place, limit = (settings.smtp_host, settings.smtp_port), TIMEOUT_S
    if settings.smtp_tls is SmtpTls.TLS:
        return smtplib.SMTP_SSL(*place, timeout=limit, context=client_context(settings.smtp_ca, "", ""))
    server = smtplib.SMTP(*place, timeout=limit)
    try:
        if settings.smtp_tls is SmtpTls.STARTTLS:
            server.starttls(context=client_context(settings.smtp_ca, "", ""))
    except BaseException:
        server.close()
        raise
    return server


def _password(settings: NoticeSettings) -> str:
    """The password; its file is read for each session, so a new password needs no restart."""
    if not settings.smtp_password_file:
        return settings.smtp_password.get_secret_value()
    try:
        return Path(settings.smtp_password_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError("notices.smtp_password_file cannot be read.") from error
