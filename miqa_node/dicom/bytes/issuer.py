"""Who assigned the Patient ID, by a whole data set: for commands that work on files, and to compare two of them.

Received images are read without pydicom (:mod:`miqa_node.dicom.bytes.headers`); both give the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydicom.dataset import Dataset

from miqa_node.core.domain.patient import issuer_text, plain

_QUALIFIERS = "IssuerOfPatientIDQualifiersSequence"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Issuer of Patient ID (0010,0021), and the universal ID and its type of its qualifiers (0010,0024)."""

    namespace: str
    universal_id: str = ""
    universal_id_type: str = ""

    @classmethod
    def of(cls, ds: Dataset) -> Self:
        """What a data set says; what cannot be read counts as absent."""
        try:
            item = next(iter(ds.get(_QUALIFIERS) or ()), Dataset())
            universal = [_text(item, keyword) for keyword in ("UniversalEntityID", "UniversalEntityIDType")]
        except Exception:  # noqa: BLE001 - a damaged sequence can make the library fail in any way
            universal = []
        return cls(_text(ds, "IssuerOfPatientID"), *universal)

    @property
    def text(self) -> str:
        """As in :func:`~miqa_node.core.domain.patient.issuer_text`."""
        return issuer_text(self.namespace, self.universal_id, self.universal_id_type)

    def contradicts(self, other: Issuer) -> bool:
        """Whether both say the same kind of thing, and differ: an archive adds its own where there is none."""
        pairs = ((self.namespace, other.namespace), (self.universal_id, other.universal_id))
        return any(own and others and own != others for own, others in pairs)


def _text(ds: Dataset, keyword: str) -> str:
    return plain(str(ds.get(keyword) or "").replace("\0", " "))
