"""Requests are those that pynetdicom would make."""

from __future__ import annotations

from io import BytesIO

import pytest
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_STORE

from miqa_node.libraries.pynetdicom_streaming import requests
from miqa_node.libraries.pynetdicom_streaming.requests import Command, CommandTag, fragments

CLASS, INSTANCE = "1.2.840.10008.5.1.4.1.1.88.22", "1.2.3"


@pytest.mark.parametrize("pdu_bytes", [28, 100, 1000])
@pytest.mark.parametrize("data_set_bytes", [2, 22, 994, 2_000])
def test_a_store_request_is_that_of_pynetdicom(pdu_bytes: int, data_set_bytes: int) -> None:
    data_set = bytes(range(256)) * 8
    request = C_STORE()
    request.MessageID, request.Priority = 7, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CLASS, INSTANCE
    request.DataSet = BytesIO(data_set[:data_set_bytes])
    command: Command = {
        CommandTag.MESSAGE_ID: 7,
        CommandTag.PRIORITY: requests.LOW_PRIORITY,
        CommandTag.COMMAND: requests.C_STORE,
        CommandTag.AFFECTED_CLASS: CLASS,
        CommandTag.AFFECTED_INSTANCE: INSTANCE,
    }
    assert list(fragments(command, data_set[:data_set_bytes], pdu_bytes)) == made(C_STORE_RQ(), request, pdu_bytes)


def test_a_request_without_a_data_set_says_so() -> None:
    request = C_ECHO()
    request.MessageID, request.AffectedSOPClassUID = 1, "1.2.840.10008.1.1"
    command: Command = {
        CommandTag.AFFECTED_CLASS: "1.2.840.10008.1.1",
        CommandTag.COMMAND: requests.C_ECHO,
        CommandTag.MESSAGE_ID: 1,
    }
    assert list(fragments(command, b"", 1000)) == made(C_ECHO_RQ(), request, 1000)


def made(message: C_STORE_RQ | C_ECHO_RQ, request: C_STORE | C_ECHO, pdu_bytes: int) -> list[bytes]:
    """The fragments that pynetdicom makes."""
    message.primitive_to_message(request)
    return [
        fragment for pdu in message.encode_msg(3, pdu_bytes) for _context, fragment in pdu.presentation_data_value_list
    ]
