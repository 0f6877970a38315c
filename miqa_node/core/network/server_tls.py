"""Server side of TLS for the storage SCP and the web: 1.2 or newer, as BCP 195 and PS3.15 B.9 require."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from miqa_node.core.settings import DicomSettings, WatchedFile
from miqa_node.errors import SettingsError

log = structlog.get_logger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Cipher suites for TLS 1.2; version 1.3 has no weak ones."""

ServerTls = WatchedFile[ssl.SSLContext]
"""What a listening socket presents: the certificate in its files now."""


def server_tls(settings: DicomSettings) -> ServerTls:
    """Present the node's certificate and, with tls_client_ca, require one of every peer; SettingsError on failure."""
    if not settings.tls_certificate:
        raise SettingsError("dicom.tls needs dicom.tls_certificate, a PEM file with the node's certificate.")
    if not settings.tls_client_ca:
        log.warning("peers need no certificate; name their authority in dicom.tls_client_ca to demand one")
    names = "dicom.tls_certificate, dicom.tls_key or dicom.tls_client_ca"
    return open_tls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, names)


def open_tls(certificate: str, key: str, client_ca: str, names: str) -> ServerTls:
    """Server-side TLS context from PEM files, made again when one of them changes, so a renewal needs no restart.

    SettingsError names the settings if a file cannot be used now.
    """

    def context(path: Path) -> ssl.SSLContext:
        try:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            made.set_ciphers(CIPHERS)
            made.load_cert_chain(path, key or None)
            if client_ca:
                made.load_verify_locations(client_ca)
                made.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"{names} cannot be used: {error}") from error
        return made

    return WatchedFile(Path(certificate), context, beside=[Path(name) for name in (key, client_ca) if name])
