"""Puts measurements on a scale for additive models: imputes missing values, compresses long tails, adds hinges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KNOTS = (-4.0, -1.5, -0.75, 0.0, 0.75, 1.5)
"""Knots where a measurement's curve may bend, in standard deviations."""
LIMIT = 4.0
"""Measurements are clipped at this number of standard deviations, so that an absurd value cannot decide alone."""


@dataclass(frozen=True, slots=True)
class MeasurementScale:
    """z = (sign(x) · log(1 + |x| / unit) − mean) / deviation of F measurements, clipped at ± LIMIT; each field (F,)."""

    imputed: NDArray[np.float32]
    unit: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> MeasurementScale:
        """Scale of a table (N, F) with NaN where a measurement is missing: medians and deviations of its columns."""
        imputed = np.nanmedian(features, axis=0).astype(np.float32)
        whole = np.where(np.isnan(features), imputed, features)
        unit = np.maximum(np.median(np.abs(whole), axis=0), 1e-3).astype(np.float32)
        logs = np.sign(whole) * np.log1p(np.abs(whole) / unit)
        deviation = np.maximum(logs.std(axis=0), 1e-6).astype(np.float32)
        return cls(imputed, unit, logs.mean(axis=0).astype(np.float32), deviation)

    def standardise(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The z of a table, shape (N, F)."""
        whole = np.where(np.isnan(features), self.imputed, features)
        logs = np.sign(whole) * np.log1p(np.abs(whole) / self.unit)
        return np.asarray(np.clip((logs - self.mean) / self.deviation, -LIMIT, LIMIT), np.float32)


def hinges(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """max(0, z − knot) for every knot, shape (N, F · K); their sums are piecewise linear curves of each measurement."""
    bent = np.maximum(z[:, :, None] - np.array(KNOTS, np.float32), 0.0)
    return np.ascontiguousarray(bent.reshape(len(z), -1), np.float32)
