# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""STOW-RS in: real clients over a socket, one answer for each instance, and nothing kept that is not whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import load_settings
from miqa_node.errors import ResourcesError
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.stow import StowConfig, StowDestination
from miqa_node.stages.receive.intake import Intake
from tests.interfaces.dicomweb.test_stow import Door, body, door, sample, uids
from tests.stages.deliver.making import outcomes
from tests.web.serving import serving
from tests.web.staging import Stage


def test_an_object_over_the_limit_is_refused_and_the_next_is_taken(door: Door) -> None:
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    ds.SOPInstanceUID = generate_uid()
    ds.PixelData = b"\0" * 2_000_000
    large = BytesIO()
    ds.save_as(large)
    answer = door.post(body(large.getvalue(), sample()))
    assert answer.status_code == 202
    assert uids(answer.json(), "00081198") == [ds.SOPInstanceUID]
    assert door.post(body(large.getvalue())).status_code == 409  # not "come again": it will be as large then
