"""Client side of TLS for every connection that the node opens: 1.2 or newer, as BCP 195 and PS3.15 B.9 require."""

from __future__ import annotations

import ssl


def client_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Verify the peer and present the node's certificate, with PEM files; OSError if one cannot be used.

    Without ``ca`` the machine's authorities are trusted; without ``certificate`` none is presented. ``key`` may be in
    the file of the certificate.
    """
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context
