"""Makes the TLS side of a connection to a destination."""

from __future__ import annotations

import ssl

from miqa_node.core.network import tls
from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver.kinds.base import TlsConfig


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """Verify the peer and present the node's certificate; the files are read again, so a renewal needs no restart."""
    try:
        return tls.client_context(config.tls_ca, config.tls_certificate, config.tls_key)
    except OSError as error:
        raise DeliveryError(
            "{name}: tls_ca, tls_certificate or tls_key cannot be used: {error}.", name=config.name, error=error
        ) from error
