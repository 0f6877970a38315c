"""The pages and the REST interface, and who may use them."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, IPvAnyNetwork, SecretStr

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.network import authority
from miqa_node.core.settings.base import Count, Minutes, Port, Seconds, SettingsTable, Span, written

_ORIGIN = re.compile(r"https?://[^/?#@\s]+/?")


def _has_no_path(url: str) -> str:
    if url and not _ORIGIN.fullmatch(url):
        raise ValueError("is http:// or https:// and a host name, with a port if need be; pages work below no path")
    return url


class WebSettings(SettingsTable):
    """Table ``[web]``."""

    host: str
    port: Port
    health_port: Port
    public_url: Annotated[str, AfterValidator(_has_no_path)]
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[
        Annotated[str, written(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", "an origin, such as https://viewer.example")],
        ...,
    ]
    trusted_proxies: tuple[IPvAnyNetwork, ...]
    tls_certificate: str
    tls_key: str
    max_connections: Count
    max_connections_per_address: Count
    header_timeout_s: Seconds
    stall_timeout_s: Seconds
    min_bytes_per_s: Count
    page_size: Annotated[int, Field(ge=1, le=1000)]
    max_upload_bytes: Count
    max_uploads: Count
    max_uploads_per_address: Count
    upload_dir: str
    upload_space_bytes: Count
    viewer_url: Annotated[str, written(r"|.*\{study_uid\}.*", "an address with {study_uid} in it")]
    max_live_pages: Count
    escalate_minutes: Minutes
    display_minutes: Minutes
    display_picture: bool
    display_findings: bool
    patient_names: bool
    display_coaching: bool
    display_accession_digits: Annotated[int, Field(ge=0, le=16)]
    max_archive_members: Count
    max_archive_bytes: Count
    max_archive_ratio: Count
    max_predictions: Count
    predict_timeout_s: Seconds

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The proxies that are believed: none without the address that people use, which says that there is one."""
        return self.trusted_proxies if self.public_url else ()

    def is_proxy(self, address: str) -> bool:
        """Whether an address is shared by many people, and what it says of them is believed."""
        try:
            peer = ip_address(address.partition("%")[0])
        except ValueError:  # a Unix socket
            return True
        return any(peer in network for network in self.proxies)

    @property
    def shown_host(self) -> str:
        """The host in addresses for people: localhost if the pages listen on this machine or on all its addresses."""
        return "localhost" if self.host in ("0.0.0.0", "::", "127.0.0.1", "::1") else self.host  # noqa: S104 - compared

    def address(self, port: int) -> str:
        """The beginning of the pages' addresses on this port."""
        return f"{'https' if self.tls_certificate else 'http'}://{authority(self.shown_host, port)}"


class AccessSettings(SettingsTable):
    """Table ``[access]``."""

    session_idle_s: Span
    session_lifetime_s: Span
    password_min_characters: Annotated[int, Field(ge=8, le=64)]
    invitation_lifetime_s: Span
    sign_in_failures: Count
    sign_in_failures_per_address: Count
    second_factor: tuple[Role, ...]
    second_factor_key: SecretStr


class OidcSettings(SettingsTable):
    """Table ``[oidc]``."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    scope: str
    name_claim: str
    role_claim: str
    viewers: tuple[str, ...]
    reviewers: tuple[str, ...]
    admins: tuple[str, ...]
    recheck_s: Span

    @property
    def used(self) -> bool:
        """Whether users sign on at the site's provider."""
        return bool(self.issuer)
