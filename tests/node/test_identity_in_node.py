"""A whole node that asks senders for the token of an account: the right one is let in, a guessed one is on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter, AuditRecord
from miqa_node.core.domain.operations import SenderStatus
from miqa_node.node import Node
from miqa_node.runtime.people import accounts
from miqa_node.runtime.people.audit import records
from miqa_node.stages.receive.contexts import VERIFICATION
from miqa_node.stages.receive.rows import senders
from tests.node.test_node import settings_in
from tests.waiting import wait_until

pytestmark = pytest.mark.more

PATIENT_S = 60.0


def is_let_in(port: int, name: str, passcode: str) -> bool:
    user = UserIdentityNegotiation()
    user.user_identity_type, user.primary_field, user.secondary_field = 2, name.encode(), passcode.encode()
    ae = AE("CT1")
    ae.add_requested_context(VERIFICATION)
    association = ae.associate("127.0.0.1", port, ext_neg=[user])
    association.release()
    return bool(association.is_released)


def test_passcodes_are_tokens_that_allow_upload(tmp_path: Path) -> None:
    dicom = {"host": "127.0.0.1", "port": 0, "user_identity": "check"}
    with Node(settings_in(tmp_path, dicom=dicom)) as node:
        now = datetime.now(UTC)
        with node.database.begin() as transaction:
            for name in ("ct-service", "other"):
                accounts.add(transaction, name, Role.SERVICE, "test", now)
            right = accounts.add_token(transaction, "ct-service", "", [Permission.UPLOAD], 1, "test", now)
            reading = accounts.add_token(transaction, "ct-service", "", [Permission.READ], 1, "test", now)

        assert is_let_in(node.dicom_port, "CT-Service", right)
        assert not is_let_in(node.dicom_port, "ct-service", "guess")
        assert not is_let_in(node.dicom_port, "ct-service", reading)
        assert not is_let_in(node.dicom_port, "other", right)

        def refused() -> Sequence[AuditRecord]:
            with node.database.begin() as transaction:
                return records.select(transaction, AuditFilter(event=AuditEvent.REFUSED))

        def noted_as_refused() -> list[SenderStatus]:
            with node.database.begin() as transaction:
                return [one for one in senders.select(transaction) if one.calling_ae_title == "CT1" and one.refusals]

        result = wait_until(refused, PATIENT_S)
        noted = wait_until(noted_as_refused, PATIENT_S)
    assert (result[0].actor, result[0].peer, result[0].failed) == ("CT1", "127.0.0.1", True)
    assert '"reason":"user_identity"' in result[0].detail
    assert noted[0].reason == "the user that it names is not proven"
