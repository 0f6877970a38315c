"""A frontal chest is known by its lungs: recorded beside the header, a hint where that names another part."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.local import LocalAssessor


@pytest.mark.long
@pytest.mark.shared
def test_no_real_image_of_another_part_passes_and_most_chests_do(shared_data: Path, tmp_path: Path) -> None:
    """The figures of docs/explanation/any-radiograph.md, on every fourth image."""
    assess = {"any_radiograph_package": "off", "objects_package": "off"}
    settings = load_settings(None, node={"data_dir": tmp_path, "accelerator": "cpu"}, assess=assess)
    with LocalAssessor(settings) as assessor:

        def seen(folder: str, body_part: str) -> list[bool]:
            files = sorted(one for one in (shared_data / folder).iterdir() if one.suffix in {".jpg", ".png"})[::4]
            return [assessor.assess_file(one, body_part=body_part).assessment.part_seen == "CHEST" for one in files]

        assert not any(seen("other_parts", "KNEE"))
        assert not any(seen("parts_train/images", "KNEE"))
        chests = seen("cxr_eval", "")
    assert sum(chests) >= 0.85 * len(chests)
