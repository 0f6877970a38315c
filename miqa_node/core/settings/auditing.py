"""How long the audit trail stays, and where it is sent."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from miqa_node.core.settings.base import Days, Port, SettingsTable, Span


class SyslogTransport(StrEnum):
    """How audit messages reach the syslog receiver."""

    OFF = "off"
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class AuditSettings(SettingsTable):
    """Table ``[audit]``."""

    keep_days: Days
    seen_again_s: Span
    syslog_transport: SyslogTransport
    syslog_host: str
    syslog_port: Port
    syslog_ca: str
    syslog_certificate: str
    syslog_key: str
    syslog_patient_ids: bool

    @property
    def sends(self) -> bool:
        """Whether audit messages are sent."""
        return self.syslog_transport is not SyslogTransport.OFF

    @model_validator(mode="after")
    def _needs_a_host(self) -> Self:
        if self.sends and not self.syslog_host:
            raise ValueError("syslog_host must name the receiver of the audit messages")
        return self
