"""Who a peer proves to be: its certificate belongs to its title and address, and its user has a passcode."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from miqa_node.core.settings import DicomSettings
from miqa_node.errors import SettingsError
from miqa_node.stages.receive.admission import Admission, Caller, PeerCertificate, Rejection, parse_certificate
from miqa_node.stages.receive.contexts import VERIFICATION
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp

Make = Callable[..., DicomSettings]


@dataclass
class Site:
    """Certificates of one authority, with their fingerprints, and what a listening node noted of its callers."""

    folder: Path
    called: list[tuple[str, ...]] = field(default_factory=list)

    def issue(self, ca: trustme.CA, name: str) -> str:
        issued = ca.issue_cert(f"{name}.example", "127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / f"{name}.pem"))
        shown = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        return hashlib.sha256(shown).hexdigest()

    def path(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def associate(
        self, port: int, ae_title: str, certificate: str = "", identity: UserIdentityNegotiation | None = None
    ) -> Association:
        ae = AE(ae_title)
        ae.add_requested_context(VERIFICATION)
        tls = None
        if certificate:
            context = ssl.create_default_context(cafile=self.path("ca"))
            context.load_cert_chain(self.path(certificate))
            tls = (context, "127.0.0.1")
        return ae.associate("127.0.0.1", port, tls_args=tls, ext_neg=[identity] if identity else None)

    def is_let_in(self, *arguments: object) -> bool:
        association = self.associate(*arguments)  # type: ignore[arg-type]
        try:
            return association.is_established and association.send_c_echo().Status == 0
        finally:
            association.release()


@pytest.fixture
def site(tmp_path: Path) -> tuple[Site, dict[str, str]]:
    site, ca = Site(tmp_path), trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return site, {name: site.issue(ca, name) for name in ("node", "ct1", "ct2")}


@pytest.fixture
def listen(
    site: tuple[Site, dict[str, str]], tmp_path: Path, dicom_settings: Make
) -> Iterator[Callable[..., StorageScp]]:
    started: list[StorageScp] = []

    def make(passcodes: Callable[[str, str], bool] = lambda *_: False, **changes: object) -> StorageScp:
        settings = dicom_settings(**changes)
        scp = StorageScp(
            settings,
            Intake.of(settings, tmp_path / "incoming", lambda _: None, lambda: None),
            called=lambda *call: site[0].called.append(call),
            passcodes=passcodes,
        )
        scp.start()
        started.append(scp)
        return scp

    yield make
    for scp in started:
        scp.stop(1.0)


def test_title_certificate_and_address_belong_together(
    site: tuple[Site, dict[str, str]], listen: Callable[..., StorageScp]
) -> None:
    peers, fingerprints = site
    scp = listen(
        tls="also",
        tls_port=0,
        tls_certificate=peers.path("node"),
        tls_client_ca=peers.path("ca"),
        peer_certificates=[
            f"CT1@127.0.0.1 sha256:{fingerprints['ct1']}",
            "CT2@10.9.9.9 name:CT2.example",
        ],
    )
    assert peers.is_let_in(scp.tls_port, "CT1", "ct1")
    assert not peers.is_let_in(scp.tls_port, "CT1", "ct2"), "another device's certificate"
    assert not peers.is_let_in(scp.tls_port, "MR1", "ct1"), "a bound certificate under a title of no entry"
    assert not peers.is_let_in(scp.port, "CT1"), "no certificate at all, on the plain port"
    assert not peers.is_let_in(scp.tls_port, "CT2", "ct2"), "the right certificate from another address"
    assert peers.is_let_in(scp.tls_port, "MR1", "node"), "nothing is said of this title and this certificate"
    assert peers.is_let_in(scp.port, "MR1")

    refused = [call for call in peers.called if call[2]]
    assert {call[2] for call in refused} == {"its certificate, AE title and address do not belong together"}
    assert [call[0] for call in refused] == ["CT1", "MR1", "CT1", "CT2"]
    assert "dicom.tls_port" in refused[2][3]


def test_the_hint_can_be_copied(dicom_settings: Make) -> None:
    tls = {"tls": "only", "tls_client_ca": "ca.pem", "allowed_peers": ["*@10.0.0.0/24"]}
    shown = PeerCertificate.of(b"new", ["ct1.example"])
    caller = Caller("CT 1", "MIQA", "10.0.0.5", "10.0.0.1", shown)
    refused = Admission(dicom_settings(**tls, peer_certificates=[f"CT 1@* sha256:{'0' * 64}"])).judge(caller)
    assert refused is not None
    assert refused[0] is Rejection.CERTIFICATE
    entry = refused[1].split('"')[1]
    assert Admission(dicom_settings(**tls, peer_certificates=[entry])).judge(caller) is None


def test_who_is_bound_needs_no_other_entry_and_wildcards_bind_all(dicom_settings: Make) -> None:
    settings = dicom_settings(tls="only", tls_client_ca="ca.pem", peer_certificates=["*@10.0.0.0/24 name:any.example"])
    admission = Admission(settings)
    shown = PeerCertificate.of(b"", ["any.example"])
    assert admission.lists("10.0.0.5", "10.0.0.1")
    assert admission.judge(Caller("CT1", "MIQA", "10.0.0.5", "10.0.0.1", shown)) is None
    for stranger in (Caller("CT1", "MIQA", "10.0.0.5", "10.0.0.1"), Caller("CT1", "MIQA", "127.0.0.1", "127.0.0.1")):
        refused = admission.judge(stranger)
        assert refused is not None
        assert refused[0] is Rejection.CERTIFICATE


def test_fingerprints_as_openssl_prints_them() -> None:
    colons = ":".join(["AB"] * 32)
    assert parse_certificate(f"CT 1@10.0.0.5  sha256:{colons}").certificate == "ab" * 32
    assert parse_certificate("CT1@* name:CT room 1").certificate == "ct room 1"


@pytest.mark.parametrize("entry", ["CT1@10.0.0.5", "CT1@10.0.0.5 sha256:ab", "CT1 name:x", "name:x", "CT1@* md5:00"])
def test_wrong_entries_say_what_to_write(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"dicom\.peer_certificates"):
        parse_certificate(entry)


def test_bindings_without_tls_are_a_settings_error(dicom_settings: Make) -> None:
    with pytest.raises(SettingsError, match=r"dicom\.tls_client_ca"):
        Admission(dicom_settings(peer_certificates=["CT1@* name:x"]))


def identity(kind: int, first: str = "ct-service", second: str = "") -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type, item.primary_field = kind, first.encode()
    if second:
        item.secondary_field = second.encode()
    item.positive_response_requested = True
    return item


@pytest.mark.parametrize(
    ("mode", "item", "is_in", "is_answered"),
    [
        ("accept", identity(1), True, True),
        ("accept", identity(2, second="guess"), True, False),
        ("accept", identity(5), True, False),
        ("check", None, True, False),
        ("check", identity(1), True, True),
        ("check", identity(2, second="right"), True, True),
        ("check", identity(2, second="guess"), False, False),
        ("check", identity(2, first="other", second="right"), False, False),
        ("check", identity(3), False, False),
        ("check", identity(4), False, False),
        ("check", identity(5), False, False),
        ("require", None, False, False),
        ("require", identity(1), False, False),
        ("require", identity(2, second="right"), True, True),
    ],
)
def test_users_that_peers_name(
    site: tuple[Site, dict[str, str]],
    listen: Callable[..., StorageScp],
    mode: str,
    item: UserIdentityNegotiation | None,
    is_in: bool,
    is_answered: bool,
) -> None:
    peers = site[0]
    scp = listen(lambda name, passcode: (name, passcode) == ("ct-service", "right"), user_identity=mode)
    association = peers.associate(scp.port, "CT1", identity=item)
    try:
        assert association.is_established is is_in
        assert (association.acceptor.user_identity is not None) is is_answered
        reason, hint = peers.called[-1][2:]
        assert (reason == "") is is_in
        if not is_in:
            assert reason == "the user that it names is not proven"
            assert "miqa-node users token add" in hint
            assert "guess" not in hint
        if item is not None and not is_in and item.user_identity_type == 5:
            assert "a JSON web token, which the node cannot check" in hint
    finally:
        association.release()
