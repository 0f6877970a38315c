"""De-identifies a folder of DICOM images into another folder; refuses images that it cannot handle safely."""

from __future__ import annotations

import copy
import secrets
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.core.files.whole_file import write_once
from miqa_node.dicom.bytes import uncompressed
from miqa_node.errors import DecodeError
from miqa_training.deidentify.bulk import DESCRIPTORS
from miqa_training.deidentify.dataset import DeidentificationMethod, deidentify
from miqa_training.deidentify.leaks import identifying_words, leaks
from miqa_training.deidentify.pixels import PixelSearch, PixelTools, cover, search, uncompressed_bytes
from miqa_training.deidentify.streams.frames import with_pixels_only
from miqa_training.deidentify.unused_bits import without_unused_bits
from miqa_training.deidentify.values import LEAST_KEY_BYTES

KEY_BYTES = 32
MOST_FILE_BYTES = 2 << 30
SCREENS = {
    "1.2.840.10008.5.1.4.1.1.6.1": "An ultrasound image", "1.2.840.10008.5.1.4.1.1.3.1": "An ultrasound image",
    "1.2.840.10008.5.1.4.1.1.6": "An ultrasound image", "1.2.840.10008.5.1.4.1.1.3": "An ultrasound image",
    "1.2.840.10008.5.1.4.1.1.7": "A secondary capture", "1.2.840.10008.5.1.4.1.1.7.1": "A secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "A secondary capture", "1.2.840.10008.5.1.4.1.1.7.3": "A secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "A secondary capture",
}  # fmt: skip
"""Kinds of images that often have the patient's name burned into the pixels, as a sentence about one begins."""
BURNED_IN = "Burned In Annotation says that text is in the pixels: clean them first, or allow it."
COVERED = "Burned In Annotation says that text is in the pixels: what was found is covered, and what was missed is not."
ALLOWED = "Burned In Annotation says that text is in the pixels: nothing of it was covered, as was allowed."
UNKNOWN_BITS = "Which bits of its pixels are values cannot be told, and the others may hold anything."
STREAM = (
    "Its pixels cannot be taken apart ({why}), so nobody can tell what else is in them: store it uncompressed first."
)
PALETTE = (
    "A palette has other entries or bits than its descriptor, so it may hold anything: store the image as RGB first."
)
LOSSES = {
    "ICCProfile": "Its ICC profile is none that is known to name nobody, and was left out: colours may look different.",
    "LUTData": "A lookup table unlike its descriptor was left out: the image may look different.",
    "WaveformData": "Its waveforms were left out.",
}
"""What may be missed in a copy, by the bulk value that was left out."""
RECOGNISABLE = "Recognizable Visual Features says that the patient can be recognised in the pixels."


class _RefusedError(Exception):
    """A file is not written; the text says why."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """Outcome of one file: ``written`` (None if refused), ``reason`` of a refusal, and ``warnings``.

    ``searched`` says which frames were searched for text, and the lines that were found and blackened; None if they
    were not.
    """

    source: Path
    written: Path | None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    searched: PixelSearch | None = None

    @property
    def covered(self) -> tuple[TextLine, ...]:
        """The lines that were blackened."""
        return self.searched.lines if self.searched is not None else ()


def read_key(path: Path) -> bytes:
    """The secret of a key file; a missing file is created, readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_once(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
    key = path.read_bytes().strip()
    if len(key) < LEAST_KEY_BYTES:
        raise ValueError(f"The key file {path} holds {len(key)} bytes; {LEAST_KEY_BYTES} is the least.")
    return key


def deidentify_files(
    sources: Iterable[tuple[Path, Path]], out: Path, method: DeidentificationMethod,
    *, allow_burned_in: bool = False, done: Callable[[FileOutcome], None] | None = None,
    tools: PixelTools | None = None,
) -> list[FileOutcome]:  # fmt: skip
    """Each source is (file, target folder below ``out``); files are named after the new SOP Instance UIDs.

    Sources with the same SOP Instance UID are all written; later ones have a number added to their name. Text that the
    ``tools`` find in the pixels is covered; without them it is not searched. Bits that no value uses are emptied.
    """
    outcomes, targets = [], set[Path]()
    for path, folder in sources:
        outcome = _one(path, out / folder, method, targets, allow_burned_in=allow_burned_in, tools=tools)
        outcomes.append(outcome)
        if outcome.written is not None:
            targets.add(outcome.written)
        if done is not None:
            done(outcome)
    return outcomes


def burned_in(ds: FileDataset) -> tuple[str, tuple[str, ...]]:
    """(reason against releasing the pixels, warnings about them), from the header."""
    if ds.get("BurnedInAnnotation", "") == "YES":
        return BURNED_IN, ()
    if ds.get("RecognizableVisualFeatures", "") == "YES":
        return RECOGNISABLE, ()
    warnings = []
    kind = SCREENS.get(str(ds.get("SOPClassUID", "")))
    if kind and ds.get("BurnedInAnnotation", "") != "NO":
        warnings.append(f"{kind} that does not say whether text is burned in: look at it.")
    elif "SECONDARY" in str(ds.get("ImageType", "")).upper() and ds.get("BurnedInAnnotation", "") != "NO":
        warnings.append("A derived image that does not say whether text is burned in: look at it.")
    return "", tuple(warnings)


def _one(
    path: Path, folder: Path, method: DeidentificationMethod, used: set[Path],
    *, allow_burned_in: bool, tools: PixelTools | None,
) -> FileOutcome:  # fmt: skip
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            return FileOutcome(path, None, f"It is larger than {MOST_FILE_BYTES >> 30} GiB.")
        original = pydicom.dcmread(path)
        return _written(path, original, folder, method, used, allow_burned_in=allow_burned_in, tools=tools)
    except _RefusedError as error:
        return FileOutcome(path, None, str(error))
    except InvalidDicomError:
        return FileOutcome(path, None, "It is not a DICOM file.")
    except Exception as error:  # noqa: BLE001 - a damaged data set raises whatever it likes, and must not go out
        if isinstance(error, OSError) and error.strerror:  # pydicom's own have none
            return FileOutcome(path, None, f"The file system refuses it: {error.strerror}.")
        return FileOutcome(path, None, f"It cannot be read as a whole ({type(error).__name__}).")


def _written(
    path: Path,
    original: FileDataset,
    folder: Path,
    method: DeidentificationMethod,
    used: set[Path],
    *,
    allow_burned_in: bool,
    tools: PixelTools | None,
) -> FileOutcome:
    if "PixelData" not in original or "SOPInstanceUID" not in original:
        raise _RefusedError("It is not an image: documents and reports may contain anything in their text.")
    why, warnings = burned_in(original)
    searched, notes = _text_of(path, original, tools)
    covered = searched.lines if searched is not None else ()
    if why and not allow_burned_in and (not covered or why == RECOGNISABLE):
        raise _RefusedError(why)
    words = identifying_words(original, method.options)
    original = _ready(path, original, tools, covers=bool(covered))
    result = deidentify(copy.deepcopy(original), method)
    if covered:
        cover(result, covered)
    notes = (*notes, *_losses(original, result))
    names = chain([f"{result.SOPInstanceUID}.dcm"], (f"{result.SOPInstanceUID}-{n}.dcm" for n in count(2)))
    target = next(folder / name for name in names if folder / name not in used)
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    try:
        pydicom.dcmwrite(part, result, enforce_file_format=True)
        if leaked := leaks(pydicom.dcmread(part), words, original):
            raise _RefusedError(f"The result still says who the patient is: {'; '.join(leaked[:5])}.")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    if why == BURNED_IN:
        why = COVERED if covered else ALLOWED
    return FileOutcome(path, target, warnings=(*warnings, *((why,) if why else ()), *notes), searched=searched)


def _ready(path: Path, original: FileDataset, tools: PixelTools | None, *, covers: bool) -> FileDataset:
    """The image without unused bits, and uncompressed if text is to be covered in it."""
    uncompress = tools.uncompress if tools is not None else uncompressed.uncompress
    if covers and uncompressed_bytes(original) > MOST_FILE_BYTES:
        limit = f"{MOST_FILE_BYTES >> 30} GiB"
        raise _RefusedError(f"Text in its pixels is to be covered, but they exceed {limit}.")
    if covers and original.file_meta.TransferSyntaxUID.is_compressed:
        original = pydicom.dcmread(BytesIO(uncompress(path.read_bytes())))
    try:
        original = without_unused_bits(original, uncompress)
    except (DecodeError, ValueError) as error:
        raise _RefusedError(UNKNOWN_BITS) from error
    try:
        return with_pixels_only(original, uncompress)
    except (DecodeError, ValueError, EOFError, zlib.error) as error:
        raise _RefusedError(STREAM.format(why=str(error) or "fragments are missing")) from error


def _losses(original: FileDataset, result: FileDataset) -> tuple[str, ...]:
    """Sentences about bulk values of the picture that the result lacks."""
    if any(keyword in original and keyword not in result for keyword in DESCRIPTORS):
        raise _RefusedError(PALETTE)
    before, after = (Counter(element.keyword for element in ds.iterall()) for ds in (original, result))
    return tuple(sentence for keyword, sentence in LOSSES.items() if after[keyword] < before[keyword])


def _text_of(path: Path, original: FileDataset, tools: PixelTools | None) -> tuple[PixelSearch | None, tuple[str, ...]]:
    """Lines that may identify, None if nobody looked for them, and what to say about them."""
    if tools is None or tools.reader is None:
        return None, ()
    try:
        result = search(path, int(original.get("NumberOfFrames") or 1), tools, tools.reader)
    except DecodeError:
        return None, ("Its pixels cannot be decoded here, so text was not searched: look at it.",)
    if not result.is_whole:
        done = f"{result.read + result.alike} of its {result.frames} frames"
        limit = f"{tools.limit_s:g} s (text.file_limit_s)"
        raise _RefusedError(f"Text was searched on {done} in {limit}: raise the limit, or take fewer frames.")
    if not result.lines:
        return result, ()
    kinds = ", ".join(f"{number} like a {kind}" for kind, number in Counter(one.kind for one in result.lines).items())
    return result, (f"Text in the pixels was covered ({kinds}): look at it.",)
