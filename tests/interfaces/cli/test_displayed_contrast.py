"""``assess`` flags what a display would show too flat, and says so in the finding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from miqa_node.dicom.pixels.frame import decode_frame
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import write_package

pytestmark = pytest.mark.more

CHEST = ("--body-part", "CHEST", "--view", "PA")


def test_assess_flags_a_dx_with_a_far_too_wide_window_and_a_squeezed_picture(
    cli: Callable[..., Ran], tmp_path: Path, samples: Path
) -> None:
    """Both got ACCEPT and score 100: models see images stretched."""
    write_package(tmp_path / "models" / "tiny-1.0.0")
    config = tmp_path / "site.toml"
    config.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path / "models"}"\nquality_package = "tiny-1.0.0"\n'
    )
    chest = decode_frame(samples / "RG1_UNCR.dcm", 0, 10**8).display / 65535.0
    images = tmp_path / "images"
    images.mkdir()
    wide = dcmread(samples / "RG1_UNCR.dcm")
    wide.BodyPartExamined, wide.ViewPosition = "CHEST", "PA"
    wide.WindowCenter, wide.WindowWidth = 20000, 400000  # ten times what it uses
    wide.save_as(images / "a.dcm")
    cv2.imwrite(str(images / "b.png"), np.rint((0.4 + 0.05 * chest) * 65535.0).astype(np.uint16))
    shutil.copy(samples / "RG1_UNCR.dcm", images / "c.dcm")

    ran = cli("assess", images, "--json", "--config", config, "--modality", "CR", *CHEST)

    flat, squeezed, ordinary = ran.lines
    for line in (flat, squeezed):
        finding = next(one for one in line["findings"] if one["name"] == "contrast_processing")
        assert line["verdict"] in {"REVIEW", "REJECT"}, json.dumps(line["measurements"])
        assert finding["flagged"]
        assert finding["probability"] > 0.9
        assert line["score"] < 50.0
        assert any(reason.startswith("Displayed contrast") for reason in line["reasons"])
    assert not any(reason.startswith("Displayed contrast") for reason in ordinary["reasons"])
    assert all(isinstance(one["flagged"], bool) for one in ordinary["findings"])
