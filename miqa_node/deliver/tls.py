"""Makes the TLS side of a connection to a destination: TLS 1.2 or newer, as BCP 195 and PS3.15 B.9 ask."""

from __future__ import annotations

import ssl

from miqa_node.deliver.kinds.base import TlsConfig
from miqa_node.errors import DeliveryError


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """Check the peer's certificate and show ours; the files are read anew, so a renewed one needs no restart."""
    try:
        context = ssl.create_default_context(cafile=config.tls_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.tls_certificate:
            context.load_cert_chain(config.tls_certificate, config.tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(f"{config.name}: tls_ca, tls_certificate or tls_key cannot be used: {error}.") from error
    return context
