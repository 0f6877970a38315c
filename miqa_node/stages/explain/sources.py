"""What maps of a package are made from: the graphs whose logits are differentiated, and the layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from miqa_node.core.settings import SaliencyMethod
from miqa_node.stages.assess.bare import GRADIENTS_KEY, read_metadata
from miqa_node.stages.assess.card import GRAPH_NAME, BaseCard, Card, gradient_file
from miqa_node.stages.assess.classify.card import LOGITS, ClassifierCard
from miqa_node.stages.assess.contracts.base import contract_of

WITHOUT_GRADIENT: Final = frozenset({SaliencyMethod.CLASS_MAP, SaliencyMethod.OBJECT_MAP, SaliencyMethod.OCCLUSION})
GRADIENT_METHODS = tuple(method.value for method in SaliencyMethod if method not in WITHOUT_GRADIENT)
"""The methods that a gradient graph has an output of."""


@dataclass(frozen=True, slots=True)
class MapSource:
    """A graph file and the tensors that maps of its logits are made from; without taps at the last feature map."""

    graph: str
    taps: tuple[str, ...]
    logits: str
    methods: tuple[str, ...]


def map_sources(card: BaseCard) -> tuple[MapSource, ...]:
    """The graphs of a package that maps are made of by gradients; empty if none is."""
    if isinstance(card, Card):
        tensors = contract_of(card).map_tensors(card)
        return () if tensors is None else (MapSource(GRAPH_NAME, tensors.taps, tensors.logits, GRADIENT_METHODS),)
    if isinstance(card, ClassifierCard):
        members = [member for member in card.members if member.tap is not None]
        return tuple(MapSource(one.file, (one.tap or "",), LOGITS, (card.map_method.value,)) for one in members)
    return ()


def gradients_sealed_in(path: Path, card: BaseCard) -> dict[str, bool]:
    """For each graph of a package, folder or bare file, that maps are made of: whether it has its gradient graph."""
    embedded = path.is_file() and GRADIENTS_KEY in read_metadata(path)
    return {source.graph: embedded or gradient_file(source.graph) in card.files for source in map_sources(card)}
