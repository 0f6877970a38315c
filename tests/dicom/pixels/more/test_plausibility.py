"""Each issue is raised by the header or pixels that deserve it, and by no sound image."""

from __future__ import annotations

from pathlib import Path

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.dicom.pixels.plausibility import check
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.units.kinds import image_traits


def test_real_radiographs_raise_only_what_they_lack(samples: Path) -> None:
    for name in ("RG1_UNCR.dcm", "RG3_UNCR.dcm"):
        real, _ = read_header(samples / name)
        frame = decode_frame(samples / name, 0, 10**9)
        image = Radiograph(
            frame.stored, frame.display, frame.stored_range, frame.spacing_mm, frame.valid, steps=frame.steps
        )
        names = {issue.name for issue in check(real, image_traits(real), image, measure(image, real))}
        assert names == {"spacing_missing", "exposure_index_missing"}
        if name.startswith("RG1"):
            upside = Radiograph(image.stored, 65535 - image.display, image.stored_range, None)
            assert "inverted_look" in {
                issue.name for issue in check(real, image_traits(real), upside, measure(upside, real))
            }
