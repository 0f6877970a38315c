"""The peer of an association: its connection, and its names and addresses."""

from __future__ import annotations

from pynetdicom.association import Association

from miqa_node.core.network.connections import connection_of
from miqa_node.stages.receive.admission import Caller, PeerCertificate


def caller_of(association: Association, certificate: PeerCertificate | None = None) -> Caller:
    """The requestor of the association; ValueError before its A-ASSOCIATE-RQ has arrived, OSError once it is closed."""
    calling, called = ae_titles_of(association)
    return Caller(
        calling_ae_title=calling,
        called_ae_title=called,
        peer_address=association.requestor.address,
        local_address=connection_of(association).getsockname()[0],
        certificate=certificate,
    )


def ae_titles_of(association: Association) -> tuple[str, str]:
    """The calling and the called AE title without padding; ValueError before the A-ASSOCIATE-RQ has arrived."""
    primitive = association.requestor.primitive
    if primitive is None:
        raise ValueError("no association has been requested yet")
    return primitive.calling_ae_title.strip(), primitive.called_ae_title.strip()
