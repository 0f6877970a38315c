"""MR series in memory: slices of real or made files with other pixels, measured as the node measures them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.stages.measure.series_run import measure_series
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.signs import VolumeSigns
from miqa_node.stages.measure.slices import Slice, read_slices
from miqa_node.stages.measure.stack import same_plane
from tests.stages.report.flagged import decode

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MrSeries:
    """A header, slices in spatial order, and magnitudes, shape (slices, rows, columns)."""

    header: Header
    slices: Sequence[Slice]
    values: Volume

    @property
    def axis(self) -> int:
        """That of phase encoding in ``values``."""
        assert self.slices[0].phase_columns is not None
        return 1 if self.slices[0].phase_columns else 2

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of slices, rows and columns."""
        places = [one.place_mm or 0.0 for one in self.slices]
        rows, columns = self.slices[0].spacing_mm or (1.0, 1.0)
        return float(np.median(np.diff(places))), rows, columns

    def part(self, first: int, count: int) -> MrSeries:
        """Some slices in a row."""
        return MrSeries(self.header, self.slices[first : first + count], self.values[first : first + count])

    def measured(self, *volumes: Volume) -> dict[str, Measurement]:
        """What the node measures of one or several volumes with these headers, one after another in time."""
        stored: dict[Path, NDArray[np.int32]] = {}
        slices: list[Slice] = []
        for time, volume in enumerate(volumes or (self.values,)):
            for one, values in zip(self.slices, volume, strict=True):
                path = Path(f"{time}-{one.digest}-{one.frame}")
                stored[path] = np.asarray(np.rint(values), np.int32)
                slices.append(
                    replace(
                        one,
                        path=path,
                        digest=InstanceDigest(str(path)),
                        number=len(slices),
                        frame=0,
                        rows=values.shape[0],
                        columns=values.shape[1],
                        slope=1.0,
                        intercept=0.0,
                        signs=VolumeSigns(temporal_position=float(time)),
                    )
                )
        slices.sort(key=lambda one: (one.place_mm or 0.0, one.number))

        def shown(path: Path, frame: int) -> Radiograph:
            values = stored[path]
            return Radiograph(values, np.zeros(values.shape, np.uint16), (-(2**31), 2**31 - 1), None)

        view = SeriesView(self.header, slices, SliceTools(shown))
        return {one.name: one for one in measure_series(view).measurements}


def read_series(paths: Sequence[Path]) -> MrSeries:
    """The stack in the files."""
    files = [(InstanceDigest(str(number)), path) for number, path in enumerate(paths)]
    slices = same_plane(read_slices(files))
    header, _ = read_header(paths[0])
    values = np.stack([one.values(decode(one.path, one.frame).stored) for one in slices])
    return MrSeries(header, slices, np.maximum(values, 0.0))
