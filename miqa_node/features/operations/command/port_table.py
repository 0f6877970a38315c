"""The ports that images, results and people come through: what ``doctor --ports`` says to those who mind a firewall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from miqa_node.core.domain.network import authority
from miqa_node.core.settings import Settings, SyslogTransport, TlsMode, read_toml, share_dir
from miqa_node.features.operations.command.port_checks import health_port
from miqa_node.stages.deliver.kinds.base import DestinationConfig, HttpConfig, TlsConfig

ANY_PORT = "any free port"
CLOSED = "closed"
BY_URL = "if https"
USUAL_PORTS = {"http": 80, "https": 443, "postgresql": 5432}


@dataclass(frozen=True, slots=True)
class PortRow:
    """One row; ``address`` is host and port, or says that nothing is open with these settings."""

    way: str
    address: str
    setting: str
    default: str
    when: str
    protocol: str
    peer: str
    tls: str


def port_rows(settings: Settings, destinations: Iterable[DestinationConfig]) -> Iterator[PortRow]:
    """What the node listens on, and whom it calls, with these settings."""
    dicom, web = settings.dicom, settings.web
    plain, over_tls = dicom.tls is not TlsMode.ONLY, dicom.tls is not TlsMode.OFF
    yield _in(dicom.host, dicom.port, "dicom.port", 'dicom.tls is not "only"', "DICOM", "modality, PACS", is_open=plain)
    yield _in(
        dicom.host,
        dicom.tls_port,
        "dicom.tls_port",
        'dicom.tls is not "off"',
        "DICOM",
        "modality, PACS",
        is_open=over_tls,
    )
    yield _in(web.host, web.port, "web.port", "always", "HTTP", "people, programs", tls=bool(web.tls_certificate))
    yield _in(web.host, health_port(settings), "web.health_port", "always", "HTTP", "monitoring")
    audit, mail, transport = settings.audit, settings.notices, settings.audit.syslog_transport
    peers = ", ".join(one.partition("@")[2] for one in settings.dicom.commitment_peers)
    syslog = authority(audit.syslog_host, audit.syslog_port) if audit.sends else ""
    smtp = authority(mail.smtp_host, mail.smtp_port) if mail.used else ""
    store, oidc, traces = settings.store, settings.oidc.issuer, settings.telemetry.traces_url
    secure = "yes" if transport is SyslogTransport.TLS else "no"
    for address, setting, when, protocol, peer, tls in (
        (peers, "dicom.commitment_peers", "a modality asks", "DICOM", "modality", "no"),
        (smtp, "notices.smtp_host", "a notice", "SMTP", "mail server", mail.smtp_tls.value),
        (syslog, "audit.syslog_host", "always", "syslog", "audit repository", secure),
        (_place(store.database_url), "store.database_url", "always", "PostgreSQL", "database", "by its address"),
        (_place(store.objects_url), "store.objects_url", "always", "HTTP", "bucket", "yes"),
        (_place(oidc), "oidc.issuer", "people sign in", "HTTP", "sign-on", BY_URL),
        (_place(traces), "telemetry.traces_url", "always", "HTTP", "collector", BY_URL),
    ):
        yield PortRow("out", address or CLOSED, setting, "none", when, protocol, peer, tls)
    for one in destinations:
        if one.kind != "folder":
            address = _place(one.url) if isinstance(one, HttpConfig) else one.address.rpartition("@")[2]
            protocol = "HTTP" if isinstance(one, HttpConfig) else one.kind.upper() if one.takes_results else "DICOM"
            tls = "yes" if isinstance(one, TlsConfig) and one.uses_tls else "no"
            yield PortRow("out", address, "destination", "none", "a result or event", protocol, one.name, tls)


def _in(
    host: str, port: int, setting: str, when: str, protocol: str, peer: str, *, is_open: bool = True, tls: bool = False
) -> PortRow:
    table, key = setting.split(".")
    default = read_toml(share_dir("config") / "miqa.toml")[table][key]
    address = (authority(host, port) if port else f"{host}, {ANY_PORT}") if is_open else CLOSED
    secure = "yes" if tls or key == "tls_port" else "no"
    return PortRow("in", address, setting, str(default), when, protocol, peer, secure)


def _place(url: str) -> str:
    """Host and port of an address, without what may be secret; of a bucket its scheme and name."""
    parts = urlsplit(url)
    port = parts.port or USUAL_PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname is None:
        return ""
    return authority(parts.hostname, port) if port else f"{parts.scheme}://{parts.hostname}"
