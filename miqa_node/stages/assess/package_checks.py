"""Checks that a package's files, name and embedded card match its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from miqa_node.core.domain.measurand import is_withdrawn, withdrawn_words
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import CARD_NAME, GRAPH_NAME, METADATA_KEY, PAGE_NAME, SIGNATURE_NAME, BaseCard
from miqa_node.stages.assess.gradient_graph import check_gradients
from miqa_node.stages.assess.self_contained import read_graph
from miqa_node.stages.assess.session import GraphSession

BARE_SUFFIX = ".onnx"


def check_files(folder: Path, card: BaseCard, others: Sequence[str] = ()) -> None:
    """Refuse a folder whose content is not exactly what the card lists; the card must also name ``others``.

    Anything unlisted could change unnoticed: further files, links, weights beside a graph.
    """
    goldens = [name for golden in card.golden for name in (golden.input, golden.expected)]
    for name in (*card.graphs, *goldens, *others):
        if name not in card.files:
            raise ModelPackageError("{folder}: the card gives no checksum of {name}.", folder=folder.name, name=name)
    for name, expected in card.files.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ModelPackageError("{folder}: the card names a file outside of the package.", folder=folder.name)
        if not path.is_file():
            raise ModelPackageError("{folder}: {name} is missing.", folder=folder.name, name=name)
        if sha256_of(path) != expected:
            raise ModelPackageError(
                "{folder}: {name} is not the file that the card was written for.", folder=folder.name, name=name
            )
    inside = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    there = {path.relative_to(folder).as_posix() for path in inside}
    unlisted = sorted(there - {*card.files, CARD_NAME, PAGE_NAME, SIGNATURE_NAME})
    if unlisted:
        raise ModelPackageError(
            "{folder}: the card does not list {unlisted}; remove it from the package.",
            folder=folder.name,
            unlisted=unlisted[0],
        )
    if any(path.is_symlink() for path in inside):
        raise ModelPackageError("{folder}: a package has files, no links to others.", folder=folder.name)
    for name in card.graphs:
        read_graph(folder / name)
    check_gradients(folder, card)


def check_measurements(card: BaseCard, names: Sequence[str]) -> None:
    """Refuse a package that learned from a measurement which this version takes no more, or in another way."""
    if gone := [name for name in names if is_withdrawn(name)]:
        words = "; ".join(withdrawn_words(name) for name in gone)
        raise ModelPackageError(
            "{label}: it learned from what this version does not measure ({words}): train again.",
            label=card.label,
            words=words,
        )


def check_name(folder: Path, card: BaseCard) -> None:
    """Refuse a package whose folder name differs from its card."""
    if package_label(folder) != card.label:
        raise ModelPackageError(
            "{folder}: by its card it is called {label}; rename it.", folder=folder.name, label=card.label
        )


def check_embedded_card(folder: Path, card: BaseCard, session: GraphSession, graph: str = GRAPH_NAME) -> None:
    """Refuse a graph whose embedded card differs from the folder's."""
    embedded = session.metadata.get(METADATA_KEY)
    if embedded is None:
        raise ModelPackageError(
            "{folder}: {graph} holds no card in its metadata ({metadata_key}).",
            folder=folder.name,
            graph=graph,
            metadata_key=METADATA_KEY,
        )
    outside = card.model_dump(mode="json")
    for section, value in json.loads(embedded).items():
        if section == "files":
            continue
        if type(card).model_validate({**outside, section: value}).model_dump(mode="json") != outside:
            raise ModelPackageError(
                "{folder}: section {section} of {card_name} differs from the card inside {graph}.",
                folder=folder.name,
                section=f"{section!r}",
                card_name=CARD_NAME,
                graph=graph,
            )


def opened_graph(
    folder: Path, graph: str, card: BaseCard, needed: tuple[str, Sequence[str]], accelerator: Accelerator,
    settings: AssessSettings,
) -> GraphSession:  # fmt: skip
    """A graph of a package, with the card's twin inside it, the input and the outputs that are ``needed``."""
    session = GraphSession.of(folder / graph, accelerator, settings)
    check_embedded_card(folder, card, session, graph)
    entry, outputs = needed
    if missing := [name for name in outputs if name not in session.outputs]:
        raise ModelPackageError(
            "{folder}: {graph} has no output {missing}.",
            folder=folder.name,
            graph=graph,
            missing=" or ".join(missing),
        )
    if entry not in session.inputs:
        raise ModelPackageError("{folder}: {graph} has no input {input}.", folder=folder.name, graph=graph, input=entry)
    return session


def package_label(path: Path) -> str:
    """``<name>-<version>`` of a folder or a bare file."""
    return path.name.removesuffix(BARE_SUFFIX)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(path: Path, graphs: Sequence[str]) -> str:
    """Identity of a package's graphs: the checksum of the only one, or of the list of all checksums."""
    each = [sha256_of(path)] if path.is_file() else [sha256_of(path / name) for name in graphs]
    return each[0] if len(each) == 1 else hashlib.sha256("\n".join(each).encode()).hexdigest()
