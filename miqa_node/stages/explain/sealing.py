"""Adds gradient graphs to a package that was sealed without them; its graphs, and so its identity, stay as they are."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from miqa_node.core.files.whole_file import write_whole
from miqa_node.errors import ConflictError
from miqa_node.stages.assess.card import CARD_NAME, PAGE_NAME, BaseCard, gradient_file, read_sections
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.package_checks import check_files, sha256_of
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.assess.signatures import signature_path
from miqa_node.stages.explain.derivation import write_gradients

FILES_SECTION = re.compile(r"^files:.*\n(?: .*(?:\n|\Z)|\n)*", re.MULTILINE)
"""As a card usually has it. Only this part is written anew, so that comments in the others stay."""


def add_gradients(folder: Path) -> dict[str, str]:
    """Derive the gradient graphs of a package folder, and put their checksums into its card.

    The graphs that maps are made of, each with the reason why no gradient can be taken; it is empty where one was
    added.

    Raises
    ------
    ConflictError
        The package is signed, or is a single file.
    ModelPackageError
        A file of the package is missing or altered.
    """
    if folder.is_file():
        raise ConflictError(
            "{folder} is a single file: pack it again from its folder (miqa-node models pack).", folder=folder.name
        )
    if signature_path(folder).exists():
        raise ConflictError(
            "{folder} is signed, and sealing changes it: remove {signature}, seal it, and sign it again "
            "(miqa-node models sign).",
            folder=folder.name,
            signature=signature_path(folder).name,
        )
    card = read_any_card(folder)
    check_files(folder, card)
    reasons = write_gradients(folder, card)
    made = [gradient_file(graph) for graph, reason in reasons.items() if not reason]
    stale = {gradient_file(graph) for graph in reasons}
    files = {name: checksum for name, checksum in card.files.items() if name not in stale}
    files = dict(sorted({**files, **{name: sha256_of(folder / name) for name in made}}.items()))
    _write_files(folder, card, files)
    return reasons


def _write_files(folder: Path, card: BaseCard, files: dict[str, str]) -> None:
    sections = read_sections(folder) | {"files": files}
    section = yaml.safe_dump({"files": files}, sort_keys=False)
    text = FILES_SECTION.sub(lambda _: section, (folder / CARD_NAME).read_text("utf-8"), count=1)
    if yaml.safe_load(text) != sections:
        text = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=120)
    write_whole(folder / CARD_NAME, text)
    if (folder / PAGE_NAME).exists():
        write_whole(folder / PAGE_NAME, model_card(card.model_copy(update={"files": files})))
