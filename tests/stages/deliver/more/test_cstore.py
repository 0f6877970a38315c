# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
""""""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import AssociationSocket

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID
from miqa_node.core.settings import DeliverSettings
from miqa_node.dicom.pixels.encode import encode_frame
from miqa_node.errors import ClassRefusedError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.deliver.kinds.base import DeliveryContext, split_file
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.report.pixels import add_encapsulated
from tests.stages.deliver.making import as_file, outcomes, pacs, report
from tests.stages.deliver.test_cstore import Connect, connect
from tests.waiting import wait_until


def test_a_slow_answer_times_out(connect: Connect) -> None:
    with pacs() as peer:
        may_answer = threading.Event()
        peer.answer = lambda event: 0x0000 if may_answer.wait(60.0) else 0xC000
        destination = connect(peer.port, dimse_timeout_s=1.2)  # it also limits the association's own beginning
        (outcome,) = outcomes(destination, as_file(report()))
        may_answer.set()
        assert type(outcome) is DeliveryError
        assert "1.2 s" in str(outcome)
