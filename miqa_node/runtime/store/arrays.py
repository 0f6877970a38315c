"""The file format of saliency maps and series snapshots: NumPy archives with metadata in the array names."""

from __future__ import annotations

import io
import json

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import ANOMALY, PREDICTION, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.series import MeasurementMask, SeriesSnapshot, SliceProfile

_SLICES = "slices"
_ALONG = "along "
"""Begins the name of a profile, which has the form of a mask's: earlier versions read it as one that no rule names."""


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
    """The list of slices as JSON, and one bit array per mask, named ``<measurement>|<index>|<shape>``.

    A profile is an array of float32 named ``along <measurement> <unit>|0|1|<number of slices>``.
    """
    arrays = {f"{one.measurement}|{one.index}|{one.shape[0]}|{one.shape[1]}": one.bits for one in snapshot.masks}
    profiles = {f"{_ALONG}{one.measurement} {one.unit}|0|1|{len(one.values)}": one.values for one in snapshot.profiles}
    return _dump({_SLICES: np.frombuffer(json.dumps(snapshot.slices).encode(), np.uint8), **arrays, **profiles})


def load_snapshot(data: bytes) -> SeriesSnapshot:
    """The snapshot of :func:`dump_snapshot`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        listed = json.loads(archive[_SLICES].tobytes())
        named = [key for key in archive.files if key != _SLICES]
        masks = tuple(_load_mask(key, archive) for key in named if not key.startswith(_ALONG))
        profiles = tuple(_load_profile(key, archive) for key in named if key.startswith(_ALONG))
    return SeriesSnapshot(tuple((InstanceDigest(digest), int(frame)) for digest, frame in listed), masks, profiles)


def _load_mask(key: str, archive: np.lib.npyio.NpzFile) -> MeasurementMask:
    name, index, rows, columns = key.split("|")
    return MeasurementMask(name, int(index), archive[key], (int(rows), int(columns)))


def _load_profile(key: str, archive: np.lib.npyio.NpzFile) -> SliceProfile:
    name, _, unit = key.removeprefix(_ALONG).rpartition("|0|1|")[0].partition(" ")
    return SliceProfile(name, unit, archive[key].astype(np.float32))


def _dump(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
