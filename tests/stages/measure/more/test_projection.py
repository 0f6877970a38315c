"""Each measurement finds the known property of a phantom, and none breaks on an odd image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.stages.measure.phantoms import chest, radiograph
from tests.stages.measure.test_projection import values


def test_snr_and_cnr_fall_as_noise_grows_and_only_for_frontal_chests() -> None:
    low, high = values(radiograph(chest(noise=10.0))), values(radiograph(chest(noise=40.0)))
    assert low["snr_lung"] == pytest.approx(1100 / 10, rel=0.1)
    assert high["snr_lung"] == pytest.approx(1100 / 40, rel=0.1)
    assert low["cnr_lung_mediastinum"] == pytest.approx(1900 / 10, rel=0.1)
    assert low["cnr_lung_mediastinum"] > 3 * high["cnr_lung_mediastinum"]
    for changes in ({"body_part_examined": "HAND"}, {"view_position": "LL"}, {"view_position": ""}):
        assert "snr_lung" not in values(radiograph(chest()), **changes)


def test_jpeg_blocks_are_seen_at_any_phase() -> None:
    image = chest(noise=10.0)
    plain = values(radiograph(image))["blockiness"]
    eight_bit = np.clip(image / 16, 0, 255).astype(np.uint8)
    series = []
    for quality in (60, 15, 5):
        _, encoded = cv2.imencode(".jpg", eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        series.append(values(radiograph(decoded.astype(float) * 16))["blockiness"])
        cropped = values(radiograph(decoded[3:, 5:].astype(float) * 16))["blockiness"]
        assert cropped == pytest.approx(series[-1], rel=0.1)
    assert plain < 0.1
    assert plain < series[0] < series[1] < series[2]
    assert series[1] > 0.5
