"""The card of a model package: the purpose of the model, its inputs, and how to read its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from os.path import lexists
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from miqa_node.core.domain.finding import NAME_PATTERN, FindingWords
from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.core.wrong_values import where_and_what
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.section import AnomalySection
from miqa_node.stages.assess.certificate import Certificate
from miqa_node.stages.assess.choices import Choices
from miqa_node.stages.assess.plain_yaml import read_yaml
from miqa_node.stages.assess.preprocess import Preprocess
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.targets import Targets
from miqa_node.stages.assess.two_sides import TwoSides

CARD_NAME = "card.yaml"
GRAPH_NAME = "model.onnx"
SIGNATURE_NAME = "signature.json"
PAGE_NAME = "MODEL_CARD.md"
"""The card as a page for people. The node does not read it, so the card lists no checksum for it."""
METADATA_KEY = "miqa_card"
"""Key of the card in the graph's metadata_props: the same card, without the checksums of files."""
YOUNGER = frozenset({"two_sides", "comparison", "targets", "audience"})
"""Sections that are added to finished packages: the card in the graph lacks them, since reports name its checksum."""

_CODE_TEXT = r"^[ -\[\]-~]+$"
"""ASCII without the backslash, which separates values."""

C = TypeVar("C", bound=BaseModel)


def gradient_file(graph: str) -> str:
    """Name of the file with the gradient graph of a graph; most packages with maps have one.

    >>> gradient_file("model.onnx")
    'model.gradients.onnx'
    """
    return str(PurePosixPath(graph).with_suffix(".gradients.onnx"))


class Task(StrEnum):
    """What a package is for; other packages run beside the quality package, if the site's policy switches them on."""

    QUALITY = "quality"
    CLASSIFICATION = "classification"
    ANOMALY = "anomaly"
    ENHANCEMENT = "enhancement"
    CAPTION = "caption"
    LANDMARKS = "landmarks"
    OBJECTS = "objects"


class PixelPitch(Section):
    """Pixel pitches that the model was trained for."""

    min: Annotated[float, Field(gt=0)]
    max: Annotated[float, Field(gt=0)]


class Applicability(Section):
    """The images that the model may judge; an empty list allows every value, "" allows an absent element."""

    modality: tuple[str, ...]
    body_part: tuple[str, ...]
    view: tuple[str, ...]
    sop_class: tuple[str, ...] = ()
    pixel_pitch_mm: PixelPitch | None = None

    @property
    def is_for_chests(self) -> bool:
        """Whether chests are named: what names no body part is then judged as one."""
        return "CHEST" in STANDARD.body_parts.expanded(self.body_part)

    def excludes(self, header: Header, spacing_mm: tuple[float, float] | None) -> str:
        """A sentence that says why the image is out of scope; empty if it is in scope."""
        part, view = (
            STANDARD.body_parts.canonical(header.body_part_examined),
            STANDARD.views.canonical(header.view_position),
        )
        checks = (
            ("Modality", header.modality, self.modality),
            ("Body Part Examined", part, STANDARD.body_parts.expanded(self.body_part)),
            ("View Position", view, STANDARD.expanded_views(self.view)),
            ("SOP Class", header.sop_class_uid, self.sop_class),
        )
        for name, value, allowed in checks:
            if allowed and value not in allowed:
                # Free text of a header could hold anything, even a name: only values that look like codes are quoted.
                shown = (
                    value if value.replace(".", "").isalnum() else Phrase("as given") if value else Phrase("(absent)")
                )
                return Phrase("{name} {shown} is outside what the model was made for.", name=name, shown=shown)
        if self.pixel_pitch_mm is not None and spacing_mm is not None:
            low, high = self.pixel_pitch_mm.min, self.pixel_pitch_mm.max
            if not all(low <= pitch <= high for pitch in spacing_mm):
                return Phrase(
                    "The pixel pitch {spacing_mm} mm is outside the model's {low} to {high} mm.",
                    spacing_mm=f"{spacing_mm[0]:.3g}",
                    low=f"{low:g}",
                    high=f"{high:g}",
                )
        return ""


class CardCode(Section):
    """A coded concept within the length limits of reports (PS3.3 8.1 to 8.3, PS3.5 6.2)."""

    value: Annotated[str, Field(max_length=16, pattern=_CODE_TEXT)]
    scheme: Annotated[str, Field(max_length=16, pattern=_CODE_TEXT)]
    meaning: Annotated[str, Field(max_length=64, pattern=_CODE_TEXT)]


class OutputClass(Section):
    """One column of ``logits``: probability = 1 / (1 + exp(−(logit + bias) / temperature)).

    A finding that is in no taxonomy has its own ``words`` by language (``en`` is English). ``flags``: such a finding
    leads to REVIEW if the site's policy does not name it.
    """

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    gate: bool
    code: CardCode
    words: dict[str, FindingWords] = Field(default={})
    flags: bool = True
    threshold: Annotated[float, Field(ge=0, le=1)]
    temperature: Annotated[float, Field(gt=0)]
    bias: float


class Outputs(Section):
    """The columns of the graph's ``logits``, ``severity`` and ``maps``."""

    classes: Annotated[tuple[OutputClass, ...], Field(min_length=1)]


class MeasuredInput(Section):
    """One measurement as an input of a graph, and the value that replaces a missing one."""

    name: str
    imputed: float


class Saliency(Section):
    """How the graph can be explained: an output with class maps, and activations for gradients; both optional."""

    maps: str = ""
    method: str = ""
    taps: tuple[str, ...] = ()
    map_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5


class Golden(Section):
    """An input and its expected outputs; checked on the current provider before the package is used."""

    input: str
    expected: str


class BaseCard(Section):
    """The part of a card common to all tasks; sections for human readers are kept verbatim."""

    task: Task = Task.QUALITY
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    intended_use: str
    not_for: str | tuple[str, ...]
    limits: tuple[str, ...]
    applicability: Applicability
    calibration: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]
    choices: Choices | None = None
    """None in packages made before there was the section."""
    two_sides: TwoSides | None = None
    targets: Targets | None = None
    golden: tuple[Golden, ...]
    files: dict[str, str]

    @property
    def label(self) -> str:
        """``<name>-<version>``."""
        return f"{self.name}-{self.version}"

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the graph files; most packages have only one."""
        return (GRAPH_NAME,)


class Card(BaseCard):
    """The card of a quality package, which gives the findings and the gate."""

    task: Literal[Task.QUALITY] = Task.QUALITY
    contract: str = ""
    """Name of the contract; if empty, "measurements" if the card lists any, else "two_branch"."""
    call: dict[str, Any] = Field(default={})
    """Parameters of the contract, in the contract's own schema."""
    preprocess: Preprocess = Preprocess()
    measurements: tuple[MeasuredInput, ...] = ()
    """The measurements that are inputs of the graph, in its order."""
    outputs: Outputs
    saliency: Saliency = Saliency()
    certificate: Certificate | None = None
    anomaly: AnomalySection | None = None
    parts_with_figures: tuple[str, ...] = ()
    """Body parts on whose images the package was tried; of a package for any part, findings on others flag nothing."""

    @property
    def contract_name(self) -> str:
        """Name of the contract."""
        return self.contract or ("measurements" if self.measurements else "two_branch")


def read_card(folder: Path) -> Card:
    """The card of a quality package's folder.

    Raises
    ------
    ModelPackageError
        There is no card, it belongs to a package with another task, or it does not follow the schema; the message
        names each place.
    """
    sections = read_sections(folder)
    task = sections.get("task", Task.QUALITY)
    if task != Task.QUALITY:
        raise ModelPackageError(
            "{folder} is a package for {task}, not for quality: switch it on beside the quality package "
            "with [[package]] in policy.toml.",
            folder=folder.name,
            task=task,
        )
    return checked_card(Card, sections, folder.name)


def has_card(folder: Path) -> bool:
    """Whether a folder is meant as a package: something in it has the name of a card, be it readable or not."""
    return lexists(folder / CARD_NAME)


def read_sections(folder: Path) -> dict[str, Any]:
    """The sections of a card as written; ModelPackageError if there is no card."""
    path = folder / CARD_NAME
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ModelPackageError(
                "{folder}: {card_name} is not a regular file.", folder=folder.name, card_name=CARD_NAME
            )
        sections = read_yaml(path.read_bytes())
    except OSError as error:
        raise ModelPackageError(
            "{folder}: {card_name} cannot be read: {strerror}.",
            folder=folder.name,
            card_name=CARD_NAME,
            strerror=error.strerror,
        ) from error
    except yaml.YAMLError as error:
        raise ModelPackageError(
            "{folder}: {card_name} is not plain YAML: {error}", folder=folder.name, card_name=CARD_NAME, error=error
        ) from error
    return sections if isinstance(sections, dict) else {}


def checked_card(kind: type[C], sections: Mapping[str, Any], name: str) -> C:
    """The sections as a card of this kind; ModelPackageError names each place that does not follow its schema."""
    try:
        return kind.model_validate(sections)
    except ValidationError as error:
        raise ModelPackageError(
            "{name}: {card_name} does not follow the schema: {error}",
            name=name,
            card_name=CARD_NAME,
            error=explain_card_error(error),
        ) from (error)


def explain_card_error(error: ValidationError) -> str:
    """Each place where a card does not follow the schema, and the reason."""
    return where_and_what(error.errors())
