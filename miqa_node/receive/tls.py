"""Server side of TLS for the storage SCP and the web: 1.2 or newer, as BCP 195 and PS3.15 B.9 require."""

from __future__ import annotations

import ssl

import structlog

from miqa_node.errors import SettingsError
from miqa_node.settings import DicomSettings

log = structlog.get_logger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Cipher suites for TLS 1.2; version 1.3 has no weak ones."""


def server_context(settings: DicomSettings) -> ssl.SSLContext:
    """Present the node's certificate and, with tls_client_ca, require one of every peer; SettingsError on failure."""
    if not settings.tls_certificate:
        raise SettingsError("dicom.tls needs dicom.tls_certificate, a PEM file with the node's certificate.")
    if not settings.tls_client_ca:
        log.warning("peers need no certificate; name their authority in dicom.tls_client_ca to demand one")
    names = "dicom.tls_certificate, dicom.tls_key or dicom.tls_client_ca"
    return tls_context(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, names)


def tls_context(certificate: str, key: str, client_ca: str, names: str) -> ssl.SSLContext:
    """Server-side TLS context from PEM files; SettingsError names the settings if a file cannot be used."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.load_cert_chain(certificate, key or None)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{names} cannot be used: {error}") from error
    return context
