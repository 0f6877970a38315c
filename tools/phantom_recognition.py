"""Which series below folders are taken for a phantom, and of which kind: one line of JSON for each.

``python -m tools.phantom_recognition OUT.jsonl FOLDER…`` adds to OUT what it lacks, so it can be stopped and resumed.
Every series of a patient must have no kind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.features.phantoms.files import SeriesFiles, series_of
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess.phantom import recognise
from miqa_node.stages.assess.phantom_kind import kind_of
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import read_slices
from miqa_node.stages.measure.stack import same_plane
from miqa_node.stages.units.kinds import series_traits

NO_IMAGE = {".csv", ".json", ".jsonl", ".md", ".py", ".tsv", ".txt", ".zip"}


def main(out: Path, folders: list[Path]) -> None:
    """Judges what ``out`` does not have yet."""
    done = {json.loads(line)["file"] for line in out.read_text().splitlines()} if out.exists() else set()
    tools = SliceTools(partial(decode_here, max_pixels=10**8))
    with out.open("a", encoding="utf-8") as written:
        for series in _series(folders):
            if str(series.files[0]) not in done:
                written.write(json.dumps(line_of(series, tools)) + "\n")
                written.flush()


def _series(folders: list[Path]) -> Iterator[SeriesFiles]:
    for folder in folders:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in NO_IMAGE)
        yield from series_of(files, STANDARD)[0]


def line_of(series: SeriesFiles, tools: SliceTools) -> dict[str, object]:
    """What the node recognises, and the kind that the pixels alone would have, were it a phantom."""
    files = [(InstanceDigest(str(file)), file) for file in series.files]
    every = read_slices(files, tools.spread)
    view = SeriesView(series.header, same_plane(every) or every, tools)
    hinted = series.header.quality_control or series.header.named_phantom
    recognised = recognise(view, series_traits(series.header), hinted=hinted)
    return {
        "file": str(series.files[0]),
        "slices": len(every),
        "modality": series.header.modality,
        "hinted": hinted,
        "recognised": recognised,
        "kind": kind_of(view) if recognised else "",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
