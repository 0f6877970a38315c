"""Series of a folder under the site's policy: false alarms, and moderate faults that are found; by kind and scanner.

Each judgement is a line of a file, so that a run that ended goes on where it was. The lines name series by the digest
of their UID, and no patient.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.moderate_fault import MODERATE_FAULTS, faults_of
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Subject
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.errors import SettingsError
from miqa_node.local_series import FileGroup, group_files
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.measure.tried_on import UNKNOWN_MAKE, scanner_name
from miqa_node.stages.units.kinds import series_traits
from miqa_training.degrade.series.stack import RealStack, SeriesFault, read_stack
from miqa_training.moderate import ct, mr, stack
from miqa_training.series_faults import decode_slice, judge

LONGEST = 24
"""Middle slices of a series that faults are put into."""
SHORTEST = 8
UNFINISHED = frozenset({"series_incomplete", "instance_numbers_missing", "instance_numbers_begin_late"})
"""Issues of a series that is part of one."""
MAKERS: Mapping[str, Mapping[str, tuple[SeriesFault, ...]]] = {
    "CT": {**stack.MAKERS, **ct.MAKERS},
    "MR": {**stack.MAKERS, **mr.MAKERS},
}
"""By modality and name of the fault."""
SHOWN_BY = {one.name: one.measurements for one in MODERATE_FAULTS}


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """An unaltered series, and why the policy flags it; ``apart`` says why no limit is for it."""

    series: str
    folder: str
    modality: str
    kind: str
    part: str
    scanner: str
    slices: int
    is_complete: bool
    flags: tuple[str, ...]
    apart: str


@dataclass(frozen=True, slots=True)
class FaultLine:
    """A series with a fault, and for what it is flagged that its slices without the fault are not."""

    series: str
    fault: str
    way: str
    flags: tuple[str, ...]


class Notebook:
    """The lines of a run, in a file if it has one; each is written before the next is made.

    ``policy`` is the version that judges, ``seed`` that of the faults: SettingsError if the file has lines of others.
    """

    def __init__(self, file: Path | None, policy: str = "", seed: int = 1) -> None:
        self._file = file
        self.series: dict[str, SeriesLine] = {}
        self.faults: dict[tuple[str, str, str], FaultLine] = {}
        own = {"policy": policy, "seed": seed}
        lines = _whole_lines(file) if file is not None and file.exists() else []
        for line in lines:
            document = json.loads(line)
            if "policy" in document:
                if policy and document != own:
                    raise SettingsError(
                        "The lines of {file} were judged by policy {policy} with seed {seed}: use another file.",
                        file=file, **document,
                    )  # fmt: skip
                continue
            document["flags"] = tuple(document["flags"])
            self._keep(FaultLine(**document) if "fault" in document else SeriesLine(**document))
        if policy and not lines:
            self._write(own)

    def add(self, line: SeriesLine | FaultLine) -> None:
        """Keep it, and write it."""
        self._keep(line)
        self._write(asdict(line))

    def _write(self, document: Mapping[str, Any]) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(document) + "\n")

    def _keep(self, line: SeriesLine | FaultLine) -> None:
        if isinstance(line, SeriesLine):
            self.series[line.series] = line
        else:
            self.faults[line.series, line.fault, line.way] = line


def _whole_lines(file: Path) -> list[str]:
    """The lines of a file; what a run that was killed left of one is taken out of it."""
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        write_whole(file, whole)
    return whole.decode().splitlines()


def series_of(folders: Sequence[Path], settings: Settings) -> list[FileGroup]:
    """The series below the folders that have slices of CT or MR; copies of a file count once."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    unique = {hashlib.sha256(path.read_bytes()).digest(): path for path in reversed(files)}
    first = set(unique.values())
    groups = group_files([path for path in files if path in first], settings)
    return [one for one in groups if one.slices and one.slices[0].header.modality in MAKERS]


def try_series(group: FileGroup, policy: Policy, notebook: Notebook, seed: int, *, with_faults: bool) -> Iterator[str]:
    """Judge the series as it is, and with each fault, what the notebook does not have; yields what was done."""
    key = hashlib.sha256(group.slices[0].header.series_instance_uid.encode()).hexdigest()[:12]
    line = notebook.series.get(key)
    if line is None:
        line = _plain_line(key, group, policy)
        notebook.add(line)
        yield f"{line.folder}: {line.apart or ', '.join(line.flags) or 'not flagged'}"
    if not with_faults or line.apart or line.slices < SHORTEST:
        return
    ways = [(name, way) for name, every in MAKERS[line.modality].items() for way in every]
    rest = [(name, way) for name, way in ways if (key, name, way.__name__) not in notebook.faults]
    if not rest:
        return
    try:
        part = _middle(read_stack(list(group.files)))
    except ValueError:
        return  # enhanced objects are measured, and nothing is put into them
    with tempfile.TemporaryDirectory() as folder:
        before = judge(part, Path(folder) / "plain", policy).flagged
        for name, way in rest:
            if before & set(SHOWN_BY[name]):
                continue  # what is flagged for it as it is cannot tell
            rng = np.random.default_rng([seed, int(key, 16) % 2**31])
            after = judge(way(part, rng), Path(folder) / way.__name__, policy).flagged
            notebook.add(FaultLine(key, name, way.__name__, tuple(sorted(after - before))))
            for path in (Path(folder) / way.__name__).iterdir():
                path.unlink()
            yield f"{line.folder}: {name}, {way.__name__}: {', '.join(sorted(after - before)) or 'missed'}"


def _plain_line(key: str, group: FileGroup, policy: Policy) -> SeriesLine:
    header = group.slices[-1].header
    files = [(InstanceDigest(hashlib.sha256(str(path).encode()).hexdigest()), path) for path in group.files]
    assessment = judge_series(
        header, series_traits(header), files[-1][0], files, SliceTools(decode_slice), len(files)
    ).assessment
    disposition = decide(assessment, policy)
    folder = group.files[0].parent.name
    scanner = scanner_name(header.manufacturer, header.manufacturer_model_name) or "no scanner"
    return SeriesLine(
        series=key,
        folder=folder,
        modality=header.modality,
        kind=assessment.kind,
        part=header.body_part_examined,
        scanner=folder if scanner == UNKNOWN_MAKE else scanner,
        slices=len(group.slices),
        is_complete=not UNFINISHED & {one.name for one in assessment.plausibility} and len(group.slices) >= SHORTEST,
        flags=tuple(sorted({one.name for one in disposition.reasons if one.verdict.flagged})),
        apart=str(assessment.phantom or assessment.unfit or _no_rules(assessment.kind, header.modality, policy)),
    )


def _no_rules(kind: str, modality: str, policy: Policy) -> str:
    wheres = [rule.where for rule in policy.of(Subject.MEASUREMENT)]
    limits = any(modality in one.modality and (not one.kind or kind in one.kind) for one in wheres)
    return "" if limits else f"the policy has no limits for {modality} of the kind {kind or 'unknown'}"


def _middle(whole: RealStack) -> RealStack:
    first = max(0, (len(whole) - LONGEST) // 2)
    return whole.part(range(first, min(len(whole), first + LONGEST)))


@dataclass(frozen=True, slots=True)
class KindRow:
    """The figures of one kind of series and scanner; ``found`` has the share of series by fault, over its ways."""

    modality: str
    kind: str
    scanner: str
    series: int
    excerpts: int
    false_alarms: int
    found: Mapping[str, float]

    @property
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def toml(self) -> str:
        """An entry of ``tried_on`` of a record of evidence."""
        shares = ", ".join(f'"{name}" = {share:.4g}' for name, share in self.found.items())
        scanner = json.dumps(self.scanner)  # a header may have quotes; TOML writes them as JSON does
        return (
            f"{{ scanner = {scanner}, series = {self.series}, false_alarms = {self.false_alarms}, "
            f"found = {{ {shares} }} }}"
        )


def evidence_toml(rows: Sequence[KindRow]) -> str:
    """Records of evidence for ``policy.toml``, one of each kind of series."""
    kinds: dict[str, list[str]] = {}
    for one in rows:
        if one.series:
            kinds.setdefault(f"{one.modality} {one.kind}", []).append(f"    {one.toml},\n")
    return "\n".join(f'[evidence."{kind}"]\ntried_on = [\n{"".join(lines)}]\n' for kind, lines in kinds.items())


def rows_of(notebook: Notebook, flawed: Sequence[str] = (), *, excerpts: bool = False) -> list[KindRow]:
    """By kind and scanner; series of the folders ``flawed`` are rightly flagged, so their flags are no false alarms.

    Figures are of complete series; with ``excerpts`` of all.
    """
    groups: dict[tuple[str, str, str], list[SeriesLine]] = {}
    for line in notebook.series.values():
        if not line.apart:
            groups.setdefault((line.modality, line.kind, line.scanner), []).append(line)
    return [_row(key, lines, notebook, flawed, excerpts=excerpts) for key, lines in sorted(groups.items())]


def _row(
    key: tuple[str, str, str], lines: list[SeriesLine], notebook: Notebook, flawed: Sequence[str], *, excerpts: bool
) -> KindRow:
    whole = [one for one in lines if one.is_complete or excerpts]
    names = {one.series for one in whole}
    shares: dict[str, float] = {}
    for fault in faults_of(key[0]):
        hits = [bool(one.flags) for one in notebook.faults.values() if one.fault == fault.name and one.series in names]
        if hits:
            shares[fault.name] = sum(hits) / len(hits)
    alarms = [one for one in whole if one.flags and one.folder not in flawed]
    return KindRow(*key, len(whole), sum(not one.is_complete for one in lines), len(alarms), shares)
