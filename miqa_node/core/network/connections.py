"""The socket below an association, for what pynetdicom has no call."""

from __future__ import annotations

import socket

from pynetdicom.association import Association


def connection_of(association: Association) -> socket.socket:
    """The socket of an association; OSError if it is closed."""
    transport = association.dul.socket
    if transport is None or transport.socket is None:
        raise OSError("the connection is closed")
    return transport.socket
