"""Describes an image with the site's vision-language package: an encoder reads it, a decoder writes word by word.

The graphs are those that the usual exporters produce for BLIP-type models: ``encoder.onnx`` with the input
``pixel_values`` (1, channels, rows, columns), ``decoder.onnx`` with ``input_ids`` (1, words so far),
``encoder_hidden_states`` and the output ``logits`` (1, words so far, vocabulary). Each step takes the most likely
piece (greedy decoding).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.settings import Accelerator, AssessSettings, CaptionSettings
from miqa_node.errors import CaptionError, ModelPackageError
from miqa_node.stages.assess.card import BaseCard, Task, checked_card, read_sections
from miqa_node.stages.assess.package_checks import check_files
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.assess.sidecar import SideTask
from miqa_node.stages.assess.signatures import check_origin

ENCODER, DECODER, VOCABULARY = "encoder.onnx", "decoder.onnx", "vocabulary.json"
MAX_PIECES = 300_000
MAX_TOKENS = 64
"""Pieces of words that a package may write."""


class CaptionInput(Section):
    """The encoder's input: the displayed image, stretched, values / 255, then (x − mean) / std for each channel."""

    rows: Annotated[int, Field(ge=8, le=1024)]
    columns: Annotated[int, Field(ge=8, le=1024)]
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=3)]


class CaptionWords(Section):
    """How numbers become words: piece n of vocabulary.json, joined as the tokeniser does."""

    begin: Annotated[tuple[int, ...], Field(min_length=1, max_length=16)]
    end: int
    pieces: Literal["words", "wordpiece", "sentencepiece"] = "words"
    skip: tuple[int, ...] = ()


class CaptionCard(BaseCard):
    """The card of a package that writes captions."""

    task: Literal[Task.CAPTION]
    input: CaptionInput
    words: CaptionWords

    @property
    def graphs(self) -> tuple[str, ...]:
        """Encoder and decoder."""
        return (ENCODER, DECODER)


class CaptionPackage:
    """See :class:`~miqa_node.core.domain.ports.Captioner`."""

    def __init__(
        self,
        card: CaptionCard,
        encoder: GraphSession,
        decoder: GraphSession,
        pieces: Sequence[str],
        settings: CaptionSettings,
    ) -> None:
        self._card, self._encoder, self._decoder = card, encoder, decoder
        self._pieces, self._settings = pieces, settings
        self.name = self.writer = card.label
        self.provider = encoder.provider
        self.golden_differences: dict[str, float] = {}

    def describe(self, radiograph: Radiograph) -> Sequence[str]:
        """One text; CaptionError if it took too long."""
        return [self.write(radiograph.display)]

    def write(self, display: NDArray[np.uint16]) -> str:
        """The text for a display image (rows, columns), 0 black and 65,535 white."""
        until = time.monotonic() + self._settings.timeout_s
        words = self._card.words
        view = pixel_values(display, self._card.input)
        [memory] = self._encoder.run(self._encoder.outputs[:1], {"pixel_values": view}, self._left_s(until)).values()
        written = list(words.begin)
        for _ in range(MAX_TOKENS):
            best = self._next(written, memory, until)
            if best == words.end:
                break
            written.append(best)
        hidden = {*words.begin, words.end, *words.skip}
        return join([self._pieces[n] for n in written[len(words.begin) :] if n not in hidden], words.pieces)

    def _next(self, written: Sequence[int], memory: NDArray[np.float32], until: float) -> int:
        ids = np.array([written], np.int64)
        feed: dict[str, NDArray[Any]] = {
            "input_ids": ids,
            "encoder_hidden_states": memory,
            "attention_mask": np.ones_like(ids),
            "encoder_attention_mask": np.ones(memory.shape[:2], np.int64),
        }
        inputs = {name: value for name, value in feed.items() if name in self._decoder.inputs}
        logits = self._decoder.run(("logits",), inputs, self._left_s(until))["logits"]
        best = int(np.argmax(logits[0, -1]))
        if best >= len(self._pieces):
            raise CaptionError(f"{self.writer}: the decoder knows more pieces than {VOCABULARY}.")
        return best

    def _left_s(self, until: float) -> float:
        remaining_s = until - time.monotonic()
        if remaining_s <= 0:
            raise CaptionError(f"{self.writer}: the text took longer than {self._settings.timeout_s:g} s.")
        return remaining_s


def open_caption_package(
    folder: Path, accelerator: Accelerator, settings: AssessSettings, limits: CaptionSettings
) -> CaptionPackage:
    """Load a package and check it: checksums, graphs, vocabulary, and its goldens word for word.

    Raises
    ------
    ModelPackageError
        A file is missing or altered, or the caption differs from the expected one; the text gives the reason.
    """
    card = checked_card(CaptionCard, read_sections(folder), folder.name)
    check_files(folder, card, (VOCABULARY,))
    check_origin(folder, settings)
    pieces = _pieces(folder / VOCABULARY)
    encoder, decoder = (GraphSession.of(folder / name, accelerator, settings) for name in card.graphs)
    missing = {"pixel_values"} - set(encoder.inputs) | {"input_ids", "encoder_hidden_states"} - set(decoder.inputs)
    if missing or "logits" not in decoder.outputs:
        lacking = ", ".join(sorted(missing)) or "the output logits"
        raise ModelPackageError("{folder}: encoder or decoder lacks {lacking}.", folder=folder.name, lacking=lacking)
    package = CaptionPackage(card, encoder, decoder, pieces, limits)
    for golden in card.golden:
        _check_golden(folder, package, golden.input, golden.expected)
        package.golden_differences[golden.input] = 0.0
    return package


def pixel_values(display: NDArray[np.uint16], spec: CaptionInput) -> NDArray[np.float32]:
    """(1, channels, rows, columns) of a display image."""
    small = cv2.resize(display, (spec.columns, spec.rows), interpolation=cv2.INTER_AREA).astype(np.float32) / 65535.0
    channels = [(small - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    return np.stack(channels)[None].astype(np.float32)


def join(pieces: Sequence[str], kind: str) -> str:
    """The text that the pieces make.

    >>> join(["two", "lung", "##s"], "wordpiece"), join(["▁two", "▁lung", "s"], "sentencepiece")
    ('two lungs', 'two lungs')
    """
    if kind == "wordpiece":
        return " ".join(pieces).replace(" ##", "")
    if kind == "sentencepiece":
        return "".join(pieces).replace("▁", " ").strip()
    return " ".join(pieces)


def _pieces(path: Path) -> list[str]:
    try:
        pieces = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelPackageError(
            "{path}: {vocabulary} is not a list of texts.", path=path.parent.name, vocabulary=VOCABULARY
        ) from error
    if not isinstance(pieces, list) or len(pieces) > MAX_PIECES or not all(isinstance(p, str) for p in pieces):
        raise ModelPackageError(
            "{path}: {vocabulary} is not a list of at most {max_pieces} texts.",
            path=path.parent.name,
            vocabulary=VOCABULARY,
            max_pieces=MAX_PIECES,
        )
    return pieces


def _check_golden(folder: Path, package: CaptionPackage, image: str, expected: str) -> None:
    pixels = cv2.imread(str(folder / image), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise ModelPackageError("{folder}: {image} is not a picture.", folder=folder.name, image=image)
    try:
        golden = json.loads((folder / expected).read_text("utf-8"))["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelPackageError(
            "{folder}: {expected} does not say which text is expected.", folder=folder.name, expected=expected
        ) from error
    texts = package.write(pixels.astype(np.uint16) * np.uint16(257))
    if texts != golden:
        raise ModelPackageError(
            "{folder}: {image} is described differently here than it should be.", folder=folder.name, image=image
        )


SIDE_TASK = SideTask(Task.CAPTION, CaptionCard)
