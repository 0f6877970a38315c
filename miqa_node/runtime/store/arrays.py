"""The file format of saliency maps and series snapshots: NumPy archives with metadata in the array names."""

from __future__ import annotations

import io
import json

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import ANOMALY, PREDICTION, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.series import MeasurementMask, SeriesSnapshot

_SLICES = "slices"


def dump_maps(maps: SaliencyMaps) -> bytes:
    """One half-precision array per map, named ``<name>|<method>``."""
    arrays = {f"{name}|{one.method}": one.values.astype(np.float16) for name, one in maps.by_name().items()}
    return _dump(arrays)


def load_maps(data: bytes) -> SaliencyMaps:
    """The maps of :func:`dump_maps`, float32 in [0, 1]."""
    named: dict[str, SaliencyMap] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        for key in archive.files:
            name, method = key.split("|")[:2]
            named[name] = SaliencyMap(archive[key].astype(np.float32), method)
    anomaly = named.pop(ANOMALY, None)
    predictions = {name.removeprefix(PREDICTION): named[name] for name in named if name.startswith(PREDICTION)}
    findings = {FindingName(name): named[name] for name in named if not name.startswith(PREDICTION)}
    return SaliencyMaps(findings, anomaly, predictions)


def dump_snapshot(snapshot: SeriesSnapshot) -> bytes:
    """The list of slices as JSON, and one bit array per mask, named ``<measurement>|<index>|<shape>``."""
    arrays = {f"{one.measurement}|{one.index}|{one.shape[0]}|{one.shape[1]}": one.bits for one in snapshot.masks}
    return _dump({_SLICES: np.frombuffer(json.dumps(snapshot.slices).encode(), np.uint8), **arrays})


def load_snapshot(data: bytes) -> SeriesSnapshot:
    """The snapshot of :func:`dump_snapshot`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        listed = json.loads(archive[_SLICES].tobytes())
        masks = tuple(_load_mask(key, archive) for key in archive.files if key != _SLICES)
    return SeriesSnapshot(tuple((InstanceDigest(digest), int(frame)) for digest, frame in listed), masks)


def _load_mask(key: str, archive: np.lib.npyio.NpzFile) -> MeasurementMask:
    name, index, rows, columns = key.split("|")
    return MeasurementMask(name, int(index), archive[key], (int(rows), int(columns)))


def _dump(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
