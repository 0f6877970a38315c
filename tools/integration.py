"""Writes the IHE integration statement from the objects that the program makes."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from miqa_node import __version__
from tools.conformance import uid_name
from tools.example_objects import example_objects

TEMPLATE = Path(__file__).with_name("integration.md")
"""The page with names in braces where the program fills in."""
DOCUMENTS = ("SR", "SEG", "SEG_FRACTIONAL", "SEG_LABELMAP", "SEG_LUNGS", "NOISE_MAP", "PDF")
PICTURES = ("SC", "SC_RLE", "SC_J2K", "ENHANCED")


def integration_page() -> str:
    """docs/reference/integration.md."""
    made = {kind: examples[0][0] for kind, examples in example_objects().items()}
    return TEMPLATE.read_text("utf-8").format(
        version=__version__,
        air_options="TID 1500 reports, segmentations, key objects; presentation states and pictures on request",
        air_objects=", ".join(dict.fromkeys(_class_of(made[kind]) for kind in DOCUMENTS)),
        air_pictures=", ".join(dict.fromkeys(_class_of(made[kind]) for kind in PICTURES[:-1]))
        + " and enhanced copies in the class of their source",
        air_notes=_class_of(made["KOS"]),
        air_states=_class_of(made["GSPS"]),
        report_class=_class_of(made["SR"]),
        template=made["SR"].ContentTemplateSequence[0].TemplateIdentifier,
        assessment_class=_class_of(made["AIRAI"]),
        algorithm_purpose=_code(made["SR"].ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]),
        kos_title=_code(made["KOS"].ConceptNameCodeSequence[0]),
        rejection_title=_code(made["REJECTION"].ConceptNameCodeSequence[0]),
    )


def _class_of(made: Dataset) -> str:
    return uid_name(made.SOPClassUID)


def _code(item: Dataset) -> str:
    return f"({item.CodeValue}, {item.CodingSchemeDesignator}, {item.CodeMeaning})"
