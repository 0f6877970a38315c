"""Identity of a peer beyond title and address: its certificate, and the user that it names."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pynetdicom.association import Association
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from miqa_node.core.network.connections import connection_of
from miqa_node.core.settings import UserIdentityMode
from miqa_node.stages.receive.admission import Caller, PeerCertificate, Rejection
from miqa_node.stages.receive.peers import caller_of

CheckPasscode = Callable[[str, str], bool]
"""Whether the passcode is valid for the user."""

_NAMES = re.compile(r"DNS|URI|IP Address|email")
_USERNAME, _WITH_PASSCODE = 1, 2
_OTHERS = {3: "a Kerberos ticket", 4: "a SAML assertion", 5: "a JSON web token"}
_REMEDY = (
    "have it send a username and passcode: the name of an account and a token of it that allows upload "
    "(miqa-node users token add), or nothing; or set dicom.user_identity"
)


def no_passcodes(_name: str, _passcode: str) -> bool:
    """Reject every passcode."""
    return False


@dataclass(frozen=True, slots=True)
class UserIdentities:
    """User Identity Negotiation (PS3.7 D.3.3.7), as ``dicom.user_identity`` requires it."""

    mode: UserIdentityMode
    check: CheckPasscode = no_passcodes

    def judge(self, association: Association) -> tuple[Rejection, str] | None:
        """None to accept the user, else the reason and the remedy."""
        user_identity = association.requestor.user_identity
        kind = None if user_identity is None else user_identity.user_identity_type
        if self.mode is UserIdentityMode.ACCEPT:
            return None
        if user_identity is not None and kind == _WITH_PASSCODE:
            name, passcode = (_text(part) for part in (user_identity.primary_field, user_identity.secondary_field))
            return None if self.check(name, passcode) else (Rejection.USER_IDENTITY, _REMEDY)
        if kind in _OTHERS:
            return Rejection.USER_IDENTITY, f"it sends {_OTHERS[kind]}, which the node cannot check; {_REMEDY}"
        required = self.mode is UserIdentityMode.REQUIRE
        return (Rejection.USER_IDENTITY, f"it proves no user; {_REMEDY}") if required else None

    def answer(self, event: Any) -> tuple[bool, None]:
        """For accepted users: a positive response, if requested, to a username alone and to a checked passcode.

        Other forms of identity cannot be checked and get no response, as D.3.3.7 allows acceptors without support.
        """
        user_identity = event.assoc.requestor.user_identity
        checked = self.mode is not UserIdentityMode.ACCEPT and user_identity.user_identity_type == _WITH_PASSCODE
        if user_identity.positive_response_requested and (checked or user_identity.user_identity_type == _USERNAME):
            response = UserIdentityNegotiation()
            response.server_response = b""  # empty for usernames (D.3.3.7.2)
            event.assoc.acceptor.add_negotiation_item(response)
        return True, None


def identified(association: Association) -> Caller:
    """The caller with its certificate; ValueError before its A-ASSOCIATE-RQ has arrived."""
    return caller_of(association, certificate_of(association))


def certificate_of(association: Association) -> PeerCertificate | None:
    """The peer's TLS certificate, signed by an authority of ``dicom.tls_client_ca``; None if there is none."""
    connection = connection_of(association)
    if not isinstance(connection, ssl.SSLSocket):
        return None
    encoded, shown = connection.getpeercert(binary_form=True), connection.getpeercert()
    if not encoded or not shown:
        return None
    subject: Any = shown.get("subject", ())
    others: Any = shown.get("subjectAltName", ())
    common = [value for part in subject for key, value in part if key == "commonName"]
    return PeerCertificate.of(encoded, (*common, *(value for key, value in others if _NAMES.fullmatch(key))))


def _text(field: bytes | None) -> str:
    return (field or b"").decode("utf-8", "replace").strip("\0 ")
