"""Decides who may open an association: listed peers and this host, within the limits of the settings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from miqa_node.core.domain.peers import PeerRule, parse_address, parse_peer, plain_address
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import DicomSettings, TlsMode
from miqa_node.errors import SettingsError

_BOUND = re.compile(r"(.+?)\s+(?:sha256:((?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})|name:(.+))")


class Rejection(Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    CALLING_AE_TITLE = (1, 1, 3)
    CALLED_AE_TITLE = (1, 1, 7)
    CERTIFICATE = (1, 1, 1)
    USER_IDENTITY = (1, 2, 1)
    TEMPORARY_CONGESTION = (2, 3, 1)
    LOCAL_LIMIT = (2, 3, 2)

    @property
    def words(self) -> str:
        """The reason in words."""
        return _REJECTION_WORDS[self]


_REJECTION_WORDS = {
    Rejection.CALLING_AE_TITLE: Phrase("its AE title and address are not on the list of peers"),
    Rejection.CALLED_AE_TITLE: Phrase("it called another AE title than this node's"),
    Rejection.CERTIFICATE: Phrase("its certificate, AE title and address do not belong together"),
    Rejection.USER_IDENTITY: Phrase("the user that it names is not proven"),
    Rejection.TEMPORARY_CONGESTION: Phrase("the node could not take it at that moment"),
    Rejection.LOCAL_LIMIT: Phrase("too many associations were open"),
}


Called = Callable[[str, str, str, str], None]
"""Records a refused caller: AE title (empty if unknown), address, reason, and remedy."""


def nobody(_ae_title: str, _address: str, _reason: str, _hint: str) -> None:
    """Records nothing."""


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate of a peer: SHA-256 of its DER form in hexadecimal, and its names in lower case."""

    sha256: str
    names: frozenset[str]

    @classmethod
    def of(cls, encoded: bytes, names: Iterable[str]) -> PeerCertificate:
        """Read a certificate in DER form."""
        return cls(hashlib.sha256(encoded).hexdigest(), frozenset(name.lower() for name in names))


@dataclass(frozen=True, slots=True)
class Caller:
    """The requestor: AE titles without padding, both ends of the connection, and the peer's certificate over TLS."""

    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    local_address: str
    certificate: PeerCertificate | None = None

    @property
    def plain_address(self) -> str:
        """Where it comes from, as lists of peers have it."""
        return plain_address(self.peer_address)


@dataclass(frozen=True, slots=True)
class CertificateRule:
    """One entry of dicom.peer_certificates: the peer, and the SHA-256 or name of its certificate."""

    peer: PeerRule
    certificate: str

    def certifies(self, certificate: PeerCertificate | None) -> bool:
        """Whether the certificate is that of the entry."""
        return certificate is not None and self.certificate in (certificate.sha256, *certificate.names)


class Admission:
    """The rules of one node. Stateless: callers pass the numbers for the limits."""

    def __init__(self, settings: DicomSettings) -> None:
        self._settings = settings
        self._bound = tuple(parse_certificate(entry) for entry in settings.peer_certificates)
        if self._bound and (settings.tls is TlsMode.OFF or not settings.tls_client_ca):
            raise SettingsError("dicom.peer_certificates needs dicom.tls and dicom.tls_client_ca, which demand them.")
        listed = (parse_peer(entry) for entry in settings.allowed_peers)
        self._rules = (*listed, *(bound.peer for bound in self._bound))

    def lists(self, peer_address: str, local_address: str) -> bool:
        """Whether the address is allowed with any AE title; this can be checked at connection time."""
        if self._settings.promiscuous or is_this_host(peer_address, local_address):
            return True
        address = parse_address(peer_address)
        return any(rule.covers(address) for rule in self._rules)

    def judge(self, caller: Caller) -> tuple[Rejection, str] | None:
        """None to accept the caller, else the reason and the setting that would admit it."""
        settings = self._settings
        if settings.require_called_ae_title and caller.called_ae_title != settings.ae_title.strip():
            return Rejection.CALLED_AE_TITLE, (
                Phrase(
                    "have the sender call {ae_title}, or set dicom.require_called_ae_title = false",
                    ae_title=f"{settings.ae_title!r}",
                )
            )
        if not settings.promiscuous and not self._is_listed(caller):
            return Rejection.CALLING_AE_TITLE, (
                Phrase(
                    'add "{calling_ae_title}@{plain_address}" to dicom.allowed_peers',
                    calling_ae_title=caller.calling_ae_title,
                    plain_address=caller.plain_address,
                )
            )
        if not self._is_bound_rightly(caller):
            return Rejection.CERTIFICATE, _certificate_hint(caller)
        return None

    def judge_load(self, peer_address: str, addresses: Iterable[str]) -> tuple[Rejection, str] | None:
        """Like :meth:`judge`, for the limits; ``addresses`` are the peers of the open associations."""
        peers = [plain_address(address) for address in addresses]
        if len(peers) >= self._settings.max_associations:
            return Rejection.LOCAL_LIMIT, Phrase("raise dicom.max_associations, or have senders close associations")
        if peers.count(plain_address(peer_address)) >= self._settings.max_associations_per_peer:
            return Rejection.LOCAL_LIMIT, Phrase("raise dicom.max_associations_per_peer, or have the sender use fewer")
        return None

    def _is_listed(self, caller: Caller) -> bool:
        if is_this_host(caller.peer_address, caller.local_address):
            return True
        address = parse_address(caller.peer_address)
        return any(rule.admits(caller.calling_ae_title, address) for rule in self._rules)

    def _is_bound_rightly(self, caller: Caller) -> bool:
        """Whether one entry matches title, address and certificate, if any entry names this title or certificate."""
        title, address = caller.calling_ae_title, parse_address(caller.peer_address)
        of = [rule for rule in self._bound if rule.peer.names(title) or rule.certifies(caller.certificate)]
        return not of or any(rule.peer.admits(title, address) and rule.certifies(caller.certificate) for rule in of)


def _certificate_hint(caller: Caller) -> str:
    if caller.certificate is None:
        return Phrase("have it connect to dicom.tls_port with the certificate that dicom.peer_certificates names")
    peer = f"{caller.calling_ae_title}@{caller.plain_address}"
    return Phrase(
        'if it is the right one, add "{peer} sha256:{sha256}" to dicom.peer_certificates',
        peer=peer,
        sha256=caller.certificate.sha256,
    )


def is_this_host(peer_address: str, local_address: str) -> bool:
    """Whether a connection comes from this machine: over loopback, or with equal source and destination address."""
    peer, local = parse_address(peer_address), parse_address(local_address)
    return peer.is_loopback or peer == local


def parse_certificate(entry: str) -> CertificateRule:
    """Read ``AET@address sha256:<hexadecimal>`` or ``AET@address name:<of the certificate>``.

    >>> rule = parse_certificate("CT1@10.1.0.5 name:ct1.example.org")
    >>> rule.certifies(PeerCertificate.of(b"", ["CT1.example.org"]))
    True
    """
    match = _BOUND.fullmatch(entry.strip())
    if match is None:
        raise SettingsError(
            'dicom.peer_certificates: {entry} is not "AET@address sha256:<fingerprint>" and not '
            '"AET@address name:<common or alternative name of the certificate>".',
            entry=f"{entry!r}",
        )
    peer, fingerprint, name = match.groups()
    certificate = fingerprint.replace(":", "").lower() if fingerprint else name.lower()
    return CertificateRule(parse_peer(peer, "dicom.peer_certificates"), certificate)
