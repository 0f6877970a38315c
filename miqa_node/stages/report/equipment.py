"""Names the algorithms that a result came of, as IHE AI Results asks (AIR 1.1, section 6.5.3.1)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import Algorithm
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.dataset import data_set
from miqa_node.stages.report.text import phrase
from miqa_node.stages.report.uids import derive_uid


def contributing_equipment(*algorithms: Algorithm) -> Sequence:
    """Items of Contributing Equipment Sequence (PS3.3 C.12.1), one for each different algorithm.

    Device UID changes with the graphs, as AIR recommends. Cards of packages name no maker, so that Manufacturer is the
    node, which runs them.
    """
    return Sequence([_item(one) for one in dict.fromkeys(algorithms)])


def _item(algorithm: Algorithm) -> Dataset:
    return data_set(
        Manufacturer=MANUFACTURER,
        ManufacturerModelName=phrase(algorithm.name, 64),
        SoftwareVersions=phrase(algorithm.version, 64),
        DeviceUID=derive_uid("algorithm", *algorithm),
        PurposeOfReferenceCodeSequence=code_sequence(codes.PROCESSING_ALGORITHM),
    )
