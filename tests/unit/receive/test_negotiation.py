"""What a peer asks in negotiation is answered: who its user is, and how fully objects are stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import ComputedRadiographyImageStorage
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation, UserIdentityNegotiation

from miqa_node.receive.scp import StorageScp
from miqa_node.settings import load_settings


@pytest.mark.parametrize(("kind", "answered"), [(1, True), (2, False), (5, False)])
def test_user_identity(kind: int, answered: bool, tmp_path: Path) -> None:
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = kind, b"mara"
    identity.positive_response_requested = True
    if kind == 2:
        identity.secondary_field = b"secret"
    scp = StorageScp(
        load_settings(dicom={"host": "127.0.0.1", "port": 0}).dicom, tmp_path, lambda r: None, lambda: None
    )
    scp.start()
    try:
        ae = AE("CT1")
        ae.add_requested_context(ComputedRadiographyImageStorage)
        level = SOPClassExtendedNegotiation()
        level.sop_class_uid = ComputedRadiographyImageStorage
        level.service_class_application_information = bytes(6)
        association = ae.associate("127.0.0.1", scp.port, ext_neg=[identity, level])
        assert association.is_established
        assert (association.acceptor.user_identity is not None) is answered
        assert association.acceptor.sop_class_extended == {ComputedRadiographyImageStorage: bytes([2, 0, 0, 0, 0, 0])}
        association.release()
    finally:
        scp.stop(1.0)
