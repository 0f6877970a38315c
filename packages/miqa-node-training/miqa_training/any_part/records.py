"""Radiographs of parts other than the frontal chest: manifests, licences, sources."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("other_parts", "parts_train")
FREE_CLASSES = frozenset({"free", "attribution"})
"""Licence classes of ``parts_train`` that allow weights; images under share-alike licences, and those whose licence was
not read, serve figures only. Every image of ``other_parts`` is free or asks for attribution."""
SOURCES = {
    "fracatlas": "FracAtlas, doi:10.6084/m9.figshare.22363012", "commons": "Wikimedia Commons",
    "ddh": "DDH pelvis, doi:10.17632/jf3pv98m9g.2", "graz": "GRAZPEDWRI-DX, doi:10.6084/m9.figshare.14825193",
    "spine": "Scoliosis and spondylolisthesis, doi:10.17632/xkt857dsxk",
}  # fmt: skip
"""How a card names a source; the short name is what file names begin with."""


DRAWN = ("composite", "drawn")
UNSOUND = (*DRAWN, "blurred", "exposed", "faint", "film", "photograph", "streak")
"""Words of a manifest about images that were changed, and about images with a defect of their own."""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One image. ``group`` must stay on one side of a split; ``licensed``: weights may learn from such images."""

    path: Path
    source: str
    licence: str
    body_part: str
    view: str
    group: str
    notes: str
    licensed: bool

    @property
    def trains(self) -> bool:
        """Whether weights may learn from it: its licence allows it, and nothing was drawn into it."""
        return self.licensed and not any(word in self.notes.lower() for word in DRAWN)

    @property
    def is_sound(self) -> bool:
        """Whether the manifest names no defect, drawing or second image in it: figures call such an image clean."""
        return not any(word in self.notes.lower() for word in UNSOUND)


def read_parts(data_dir: Path) -> list[PartRecord]:
    """The images of all manifests that are there."""
    return [record for name in FOLDERS for record in _rows(data_dir / name)]


def _rows(folder: Path) -> Iterator[PartRecord]:
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return
    with manifest.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            path = folder / row["file"]
            source = path.stem.split("_")[0]
            yield PartRecord(
                path=path,
                source=source if source in SOURCES else "spine",
                licence=row["licence"],
                body_part=row["body_part"],
                view=row["view"],
                group=row["group_id"],
                notes=f"{row.get('defects_by_eye', '')}; {row['notes']}",
                licensed=row.get("licence_class", "free") in FREE_CLASSES,
            )
