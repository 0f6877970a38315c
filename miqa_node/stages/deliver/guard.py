"""The words for what goes wrong between a request to a peer and its response (docs/adr/0006)."""

from __future__ import annotations

from typing import assert_never

from miqa_node.errors import DeliveryError
from miqa_node.libraries.pynetdicom_streaming.exchange import ExchangeFault


def failure_of(fault: ExchangeFault, timeout_s: float) -> DeliveryError:
    """The error that the lane of the destination gets."""
    match fault:
        case ExchangeFault.CLOSED:
            return DeliveryError("The peer aborted the association or closed the connection.")
        case ExchangeFault.NO_RESPONSE:
            return DeliveryError("No response within {timeout_s} s.", timeout_s=f"{timeout_s:g}")
        case ExchangeFault.OTHER_MESSAGE:
            return DeliveryError("The peer sent a message that is not a response to the request.")
        case _:
            assert_never(fault)
