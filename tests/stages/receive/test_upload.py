"""Uploaded files pass the same intake as objects from everywhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.observe import metrics
from miqa_node.errors import MismatchError, ResourcesError, TooLargeError
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.upload import PictureDescription, Uploads


class UploadWay:
    """Holds an intake, and what went through it."""

    def __init__(self, folder: Path, max_bytes: int = 1 << 30) -> None:
        self.received: list[ReceivedObject] = []
        self.refusal: Exception | None = None
        self.at_work = False
        self.intake = Intake(folder / "incoming", self._receive, lambda: None, max_bytes)
        self.uploads = Uploads(self.intake)

    def _receive(self, received: ReceivedObject) -> None:
        self.at_work = not self.intake.wait_idle(0.0)
        if self.refusal is not None:
            raise self.refusal
        self.received.append(received)

    def take_in(self, file: Path) -> str:
        made, header = self.uploads.header(file, PictureDescription())
        return self.uploads.take_in(made, header, "192.0.2.7")


def test_an_upload_is_under_way_while_it_is_stored_and_is_counted(tmp_path: Path, samples: Path) -> None:
    way = UploadWay(tmp_path)
    before = _counted("0000")

    digest = way.take_in(samples / "RG1_UNCR.dcm")

    [received] = way.received
    assert (received.digest, received.peer_address, received.calling_ae_title) == (digest, "192.0.2.7", "UPLOAD")
    assert way.at_work
    assert way.intake.wait_idle(0.0)
    assert _counted("0000") == before + 1
    assert not list((tmp_path / "incoming").iterdir())  # the pipeline would have moved it


def test_an_upload_is_refused_once_the_intake_is_closed(tmp_path: Path, samples: Path) -> None:
    way = UploadWay(tmp_path)
    way.intake.close()
    with pytest.raises(ResourcesError, match="stopping"):
        way.intake.check()
    before = _counted("A700")

    with pytest.raises(ResourcesError, match="stopping"):
        way.take_in(samples / "RG1_UNCR.dcm")

    assert not way.received
    assert _counted("A700") == before + 1
    way.intake.open()
    assert way.take_in(samples / "RG1_UNCR.dcm") == way.received[0].digest


def test_an_upload_that_cannot_be_kept_is_refused_with_the_reason(tmp_path: Path, samples: Path) -> None:
    way = UploadWay(tmp_path)
    way.refusal = ResourcesError("The database does not answer.")

    with pytest.raises(ResourcesError, match="The database does not answer"):
        way.take_in(samples / "RG1_UNCR.dcm")

    assert way.intake.wait_idle(0.0)
    assert not list((tmp_path / "incoming").iterdir())


def test_an_upload_has_the_size_limit_of_every_object(tmp_path: Path, samples: Path) -> None:
    with pytest.raises(TooLargeError, match=r"dicom\.max_object_bytes"):
        UploadWay(tmp_path, max_bytes=1000).take_in(samples / "RG1_UNCR.dcm")


def test_a_file_of_another_object_than_its_header_says_is_refused(tmp_path: Path, samples: Path) -> None:
    way = UploadWay(tmp_path)
    file, header = way.uploads.header(samples / "RG1_UNCR.dcm", PictureDescription())

    with pytest.raises(MismatchError):
        way.uploads.take_in(file, replace(header, sop_class_uid="1.2.840.10008.5.1.4.1.1.2"), "192.0.2.7")

    assert way.intake.wait_idle(0.0)


def _counted(status: str) -> float:
    return float(metrics.CSTORE_RECEIVED.labels(status)._value.get())
