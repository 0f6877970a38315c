"""Settings of notices by e-mail: mail server, sender and content."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import SecretStr, model_validator

from miqa_node.core.settings.base import Port, SettingsTable, written


class SmtpTls(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    OFF = "off"


class NoticeSettings(SettingsTable):
    """Table ``[notices]``."""

    smtp_host: str
    smtp_port: Port
    smtp_tls: SmtpTls
    smtp_ca: str
    smtp_user: str
    smtp_password: SecretStr
    smtp_password_file: str
    sender: Annotated[str, written(r"|[^\s@<>]+@[^\s@<>]+", "an address of mail, such as miqa@hospital.example")]
    patient_data: bool

    @property
    def used(self) -> bool:
        """Whether mails are sent."""
        return bool(self.smtp_host)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.used and not self.sender:
            raise ValueError("sender must be the address that mails come from")
        if self.smtp_user and self.smtp_tls is SmtpTls.OFF:
            raise ValueError("a password is only sent over TLS: set smtp_tls")
        return self
