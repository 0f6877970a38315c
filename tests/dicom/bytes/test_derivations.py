"""How an image was made from others, as headers say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from miqa_node.core.domain.instance import Derivation, Header
from miqa_node.dicom.bytes.headers import read_header
from tests.dicom.bytes.test_headers import make


def _header(folder: Path, **values: Any) -> Header:
    return read_header(make(folder / "made.dcm", **values))[0]


DERIVED = ["DERIVED", "PRIMARY"]


@pytest.mark.parametrize(
    ("values", "derivation"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY"]}, Derivation.PLAIN),
        ({"ImageType": DERIVED}, Derivation.PLAIN),
        ({"ImageType": [*DERIVED, "SOFT_TISSUE"]}, Derivation.ENERGY),
        ({"ImageType": [*DERIVED, "", "BONE"]}, Derivation.ENERGY),
        ({"ImageType": DERIVED, "DerivationDescription": "Dual-energy bone image"}, Derivation.ENERGY),
        ({"ImageType": DERIVED, "SeriesDescription": "Chest PA, bone suppressed"}, Derivation.SUPPRESSED),
        ({"ImageType": DERIVED, "SeriesDescription": "Thorax Knochensuppression"}, Derivation.SUPPRESSED),
        ({"ImageType": DERIVED, "SeriesDescription": "Neck soft tissue"}, Derivation.PLAIN),
        ({"ImageType": DERIVED, "DerivationDescription": "soft tissue processing"}, Derivation.PLAIN),
        ({"ImageType": ["ORIGINAL", "PRIMARY"], "SeriesDescription": "Bone suppressed"}, Derivation.PLAIN),
        ({"ImageType": [*DERIVED, "", "STITCHED"]}, Derivation.STITCHED),
        ({"ImageType": DERIVED, "DerivationDescription": "Stitching of 3 images"}, Derivation.STITCHED),
        ({"ImageType": ["ORIGINAL", "PRIMARY"], "ConversionType": "SD"}, Derivation.PAGE),
        ({"ImageType": DERIVED, "ConversionType": "WSD"}, Derivation.PAGE),
        ({"ImageType": ["DERIVED", "SECONDARY", "", "SCREEN SAVE"]}, Derivation.PAGE),
        ({"ImageType": ["ORIGINAL", "SECONDARY"]}, Derivation.PAGE),
        ({"ImageType": ["DERIVED", "SECONDARY"], "ExposureIndex": "412"}, Derivation.PLAIN),
        ({"ImageType": ["DERIVED", "SECONDARY", "SINGLE PLANE"], "Modality": "XA"}, Derivation.PLAIN),
        ({"ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "DF"}, Derivation.PLAIN),
        ({"ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "DI"}, Derivation.PLAIN),
        ({"ImageType": ["DERIVED", "SECONDARY", "BONE"]}, Derivation.ENERGY),
        ({"ImageType": ["DERIVED", "SECONDARY", "", "STITCHED"]}, Derivation.STITCHED),
    ],
)
def test_words_of_a_header(values: dict[str, Any], derivation: Derivation, tmp_path: Path) -> None:
    assert _header(tmp_path, **values).derivation is derivation


@pytest.mark.parametrize(
    ("code", "scheme", "derivation"),
    [("113090", "DCM", Derivation.STITCHED), ("113097", "DCM", Derivation.ENERGY), ("113090", "99X", Derivation.PLAIN)],
)
def test_codes_of_a_header(code: str, scheme: str, derivation: Derivation, tmp_path: Path) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, "Something"
    assert _header(tmp_path, ImageType=DERIVED, DerivationCodeSequence=[item]).derivation is derivation


def test_events_sources_and_times(tmp_path: Path) -> None:
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4"
    header = _header(tmp_path, IrradiationEventUID=["1.2.3", "1.2.30"], SourceImageSequence=[source])
    assert header.irradiation_event_uids == ("1.2.3", "1.2.30")
    assert header.source_instance_uid == "1.2.3.4"


@pytest.mark.parametrize(
    ("values", "is_acquired_at"),
    [
        ({"AcquisitionDateTime": "20260102120003.5"}, True),
        ({"AcquisitionDateTime": "202601021200"}, False),
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "120003"}, True),
        ({"AcquisitionDate": "20260102", "AcquisitionTime": "1200"}, False),
        ({"ContentDate": "20260102", "ContentTime": "120003"}, False),
    ],
)
def test_only_times_of_acquisition_to_the_second_name_an_exposure(
    values: dict[str, str], is_acquired_at: bool, tmp_path: Path
) -> None:
    assert _header(tmp_path, **values).is_acquired_at is is_acquired_at
