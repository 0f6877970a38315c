"""Compares what two checkouts say of the same images: ``python -m tools.same_results BEFORE AFTER [PATH…]``.

Compared are the lines of ``assess --json``, the objects of ``assess --out``, and the objects of every kind that
``tools.example_objects`` makes of invented images, which have fixed moments and so the same bytes. Each field that
differs is printed, with how many lines or objects it concerns and an example; exit code 1 if there is one.

Each checkout runs its own modules, with the Python of its ``.venv`` if it has one. Without PATH the images are
pydicom's test files and those of pydicom-data. When something was judged, and how long it took, is no difference.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement

MOMENT = "(moment of the run)"
ABSENT = "(absent)"
SHOWN_CHARACTERS = 80
INVENTED = """
import sys
from tools.example_objects import example_objects
for kind, made in example_objects().items():
    for number, (dataset, _) in enumerate(made):
        dataset.save_as(f"{sys.argv[1]}/{kind.lower()}{number}.dcm")
"""
"""Writes an object of every kind that a checkout makes of its invented images."""

Fields = dict[str, str]
Key = TypeVar("Key", str, tuple[str, ...])


@dataclass
class Comparison:
    """What is compared under one name: how many of each side, and the fields that differ."""

    name: str
    before: int = 0
    after: int = 0
    same: int = 0
    same_bytes: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)
    """An example of each line or object that a field concerns, by the field without the numbers of its items."""

    def add(self, name: str, before: Fields | None, after: Fields | None) -> None:
        """Compare one line or object; None on the side that lacks it."""
        self.before += before is not None
        self.after += after is not None
        if before is None or after is None:
            self._differ({"all of it": f"{name}: {'only after' if before is None else 'only before'}"})
            return
        paths = [{part for key in side for part in _whole(key)} for side in (before, after)]
        shown: dict[str, str] = {}
        for key in sorted({*before, *after}):
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old != new:
                lacking = next((part for part in _whole(key) if any(part not in side for side in paths)), key)
                shown.setdefault(re.sub(r"#\d+", "", lacking), f"{name}: {_short(old)} -> {_short(new)}")
        self._differ(shown)
        self.same += not shown

    def _differ(self, examples: Mapping[str, str]) -> None:
        for key, example in examples.items():
            self.differences.setdefault(key, []).append(example)

    def lines(self) -> Iterator[str]:
        """The counts, and a line for each field that differs, those of most objects first."""
        counts = f"{self.before} before, {self.after} after, {self.same} the same ({self.same_bytes} by bytes)"
        yield f"{self.name}: {counts}"
        for key, examples in sorted(self.differences.items(), key=lambda item: (-len(item[1]), item[0])):
            yield f"  {len(examples):5} {key}  {examples[0]}"


def main() -> int:
    """Compare two checkouts; return 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.same_results", description=main.__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    options = parser.parse_args()
    images = options.paths or [Path(str(files("pydicom.data") / "test_files")), Path(str(files("data_store") / "data"))]
    with TemporaryDirectory() as scratch:
        folders = [Path(scratch, name) for name in ("before", "after")]
        began = datetime.now(UTC)
        for checkout, folder in zip((options.before, options.after), folders, strict=True):
            write_results(checkout.resolve(), [path.resolve() for path in images], folder)
        comparisons = comparisons_of(folders[0], folders[1], days_of(began, datetime.now(UTC)))
    for one in comparisons:
        sys.stdout.writelines(f"{line}\n" for line in one.lines())
    return int(any(one.differences for one in comparisons))


def days_of(began: datetime, ended: datetime) -> set[str]:
    """The days of a run, as DICOM writes them, wherever on earth: an object has the time zone of its image."""
    days = (ended.date() - began.date()).days
    return {f"{began + timedelta(days=day):%Y%m%d}" for day in range(-1, days + 2)}


def write_results(checkout: Path, images: Iterable[Path], folder: Path) -> None:
    """What a checkout says of images, and the objects that it makes of them and of its invented images."""
    for name in ("assess", "invented"):
        (folder / name).mkdir(parents=True)
    own = checkout / ".venv" / "bin" / "python"
    python = str(own if own.exists() else sys.executable)
    environment = os.environ | {"PYTHONPATH": str(checkout), "MIQA_NODE__DATA_DIR": str(folder / "data")}
    command = [python, "-m", "miqa_node.interfaces.cli", "assess", "--json", "--out", str(folder / "assess")]
    with (folder / "lines.jsonl").open("wb") as lines:  # 1: a file could not be read, which its line says
        done = subprocess.run(  # noqa: S603 - the program of a checkout that the caller names
            [*command, *map(str, images)], cwd=checkout, env=environment, stdout=lines, check=False
        )
    if done.returncode not in (0, 1):
        raise subprocess.CalledProcessError(done.returncode, command)
    program = [python, "-c", INVENTED, str(folder / "invented")]
    subprocess.run(program, cwd=checkout, env=environment, check=True)  # noqa: S603 - a program of ours


def comparisons_of(before: Path, after: Path, days: set[str]) -> list[Comparison]:
    """What two folders of :func:`write_results` hold; ``days``: :func:`days_of`."""
    lines = Comparison("assess --json")
    old, new = (_lines(folder / "lines.jsonl") for folder in (before, after))
    for files_named in _union(old, new):
        lines.add(_name(files_named), old.get(files_named), new.get(files_named))
    objects = (_objects(before / name, after / name, days) for name in ("assess", "invented"))
    return [lines, *chain(*objects)]


def json_fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The values of a line by their path; lists of values are one value, items of other lists go by name."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            if key != "timings_ms":
                yield from json_fields(part, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        for key, part in zip(_distinct(str(part.get("name", "")) for part in value), value, strict=True):
            yield from json_fields(part, f"{name}[{key}]")
    else:
        yield name, json.dumps(value, ensure_ascii=False)


def dataset_fields(dataset: Dataset, days: set[str], name: str = "") -> Iterator[tuple[str, str]]:
    """The values of a data set by their path; content items go by the code of their concept."""
    for element in dataset:
        path = name + (element.keyword or str(element.tag))
        if element.VR == "SQ":
            for key, item in zip(_distinct(map(_concept, element.value)), element.value, strict=True):
                yield from dataset_fields(item, days, f"{path}[{key}].")
        else:
            yield path, MOMENT if _is_moment(dataset, element, days) else _text(element)


def _concept(item: Dataset) -> str:
    """The code of what a content item is about; empty of other items."""
    concept = item.get("ConceptNameCodeSequence")
    return str(concept[0].get("CodeValue", "")) if concept else ""


def _distinct(names: Iterable[str]) -> Iterator[str]:
    """Each name, with a number behind those that were there."""
    counts: Counter[str] = Counter()
    for name in names:
        yield f"{name}#{counts[name]}" if counts[name] else name
        counts[name] += 1


def _is_moment(dataset: Dataset, element: DataElement, days: set[str]) -> bool:
    """Whether a date is one of the runs, or a time belongs to such a date."""
    if element.VR == "TM":
        return str(dataset.get(element.keyword.replace("Time", "Date"), "")) in days
    return element.VR in ("DA", "DT") and str(element.value)[:8] in days


def _text(element: DataElement) -> str:
    value = element.value
    if isinstance(value, bytes):
        return f"{len(value)} bytes {sha256(value).hexdigest()[:12]}"
    return f"{element.VR} {value}"


def _objects(before: Path, after: Path, days: set[str]) -> list[Comparison]:
    """The objects of two folders by kind, which their names end with."""
    old, new = ({path.name: path for path in folder.iterdir()} for folder in (before, after))
    by_kind: dict[str, Comparison] = {}
    for name in _union(old, new):
        kind = re.sub(r"\d+$", "", Path(name).stem).rpartition(".")[2].upper()
        one = by_kind.setdefault(kind, Comparison(f"{before.name} {kind}"))
        sides = [_object_fields(paths[name], days) if name in paths else None for paths in (old, new)]
        one.add(name, *sides)
        one.same_bytes += name in old and name in new and old[name].read_bytes() == new[name].read_bytes()
    return [by_kind[kind] for kind in sorted(by_kind)]


def _object_fields(path: Path, days: set[str]) -> Fields:
    dataset = dcmread(path)
    return dict(dataset_fields(dataset.file_meta, days)) | dict(dataset_fields(dataset, days))


def _lines(path: Path) -> dict[tuple[str, ...], Fields]:
    """The lines by the files that they are about."""
    lines = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return {tuple(line.get("files") or [line["file"]]): dict(json_fields(line)) for line in lines}


def _name(paths: tuple[str, ...]) -> str:
    """An image, or a series by the first of its files."""
    return Path(paths[0]).name + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _union(old: Iterable[Key], new: Iterable[Key]) -> list[Key]:
    return sorted(set(old) | set(new))


def _whole(path: str) -> Iterator[str]:
    """A field and what it is part of, the largest first; of a part that one side lacks no field is told by itself."""
    parts = path.split(".")
    yield from (".".join(parts[: number + 1]) for number in range(len(parts)))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


if __name__ == "__main__":
    sys.exit(main())
