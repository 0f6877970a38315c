"""The certificates that the node presents, as a server and to destinations: where they are, and when they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509

from miqa_node.core.domain.operations import CertificateEnd
from miqa_node.core.settings import Settings
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import TlsConfig


def certificate_files(settings: Settings, destinations: Destinations) -> dict[str, str]:
    """PEM files by setting or by destination."""
    configs = [
        config for config in destinations.current().values() if isinstance(config, TlsConfig) and config.tls_certificate
    ]
    return settings.certificates | {config.name: config.tls_certificate for config in configs}


def certificate_ends(files: Mapping[str, str]) -> Iterator[CertificateEnd]:
    """When each ends, or one of those that signed it and are in its file; without those that cannot be read."""
    for name, file in files.items():
        try:
            chain = x509.load_pem_x509_certificates(Path(file).read_bytes())
        except (OSError, ValueError):  # who uses it says so
            continue
        yield CertificateEnd(name, min(one.not_valid_after_utc for one in chain))
