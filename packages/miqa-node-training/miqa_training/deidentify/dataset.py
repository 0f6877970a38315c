"""De-identifies one data set with sequences of any depth, and records the method in it (PS3.15 E.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items

from miqa_node.dicom.bytes.issuer import Issuer
from miqa_training.deidentify.bulk import CARRIERS, may_stay
from miqa_training.deidentify.profile import BASIC_CODE, OPTION_CODES, ElementAction, ProfileOption, action_for
from miqa_training.deidentify.values import Secrets, cleaned, dummy, each, has_form, shifted

MOST_DEPTH = 32
_OF_MESSAGES_AND_FILES = frozenset({0x0000, 0x0002})
"""Groups that no data set has (PS3.7 E, PS3.10 7.1), so none of their elements stays in an item."""
_DATES = frozenset({"DA", "DT", "TM"})


@dataclass(frozen=True, slots=True)
class DeidentificationMethod:
    """Method of de-identification: the key, the chosen options, and whose Patient IDs these are."""

    secrets: Secrets
    options: frozenset[ProfileOption] = frozenset()
    authority: str = ""
    """Who assigned the Patient IDs of images that do not say so."""

    def __post_init__(self) -> None:
        """Refuse two contradictory options for dates."""
        if {ProfileOption.FULL_DATES, ProfileOption.SHIFTED_DATES} <= self.options:
            raise ValueError("Dates are kept or shifted, not both.")


def deidentify(ds: FileDataset, method: DeidentificationMethod) -> FileDataset:
    """Change ``ds`` itself; the result has a new identity, so it is another SOP instance (E.1.1 no. 9).

    Raises
    ------
    ValueError
        Its sequences are nested deeper than any standard object's.
    """
    patient = _patient(ds, method.authority)
    _clean_items(ds, method, patient, 0)
    ds.PatientName = ds.PatientID = method.secrets.pseudonym(patient)
    say_what_was_done(ds, method.options)
    ds.file_meta = _file_meta(ds)
    ds.preamble = b"\0" * 128
    return ds


def _patient(ds: Dataset, authority: str) -> str:
    """Authority and Patient ID, or the study of an image without Patient ID, which is that of one patient."""
    number = str(ds.get("PatientID") or "").strip()
    return f"{Issuer.of(ds).text or authority}\0{number or ds.get('StudyInstanceUID', '')}"


def _clean_items(ds: Dataset, method: DeidentificationMethod, patient: str, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise ValueError("Its sequences are nested too deep.")
    for tag in list(ds.keys()):
        if tag.group in _OF_MESSAGES_AND_FILES:
            del ds[tag]
            continue
        element = ds[tag]
        action = action_for(tag, element.VR, method.options)
        if action is ElementAction.REMOVE:
            del ds[tag]
        elif action is ElementAction.EMPTY:
            element.value = Items() if element.VR == "SQ" else b"" if element.VR.startswith("O") else None
        elif action is ElementAction.DUMMY:
            element.value = dummy(element)
        else:
            _keep(ds, element, action, method, patient, depth)


def _keep(
    ds: Dataset, element: DataElement, action: ElementAction, method: DeidentificationMethod, patient: str, depth: int
) -> None:
    if element.VR == "SQ":
        _clean_sequence(ds, element, method, patient, depth)
    elif action is ElementAction.KEEP:
        if not may_stay(ds, element, depth) or not has_form(element.VR, element.value):
            del ds[element.tag]
    elif action is ElementAction.NEW_UID:
        element.value = each(element.value, lambda uid: method.secrets.uid(str(uid))) if element.value else None
    elif action is ElementAction.CLEAN:
        _clean(ds, element, method, patient)


def _clean_sequence(
    ds: Dataset, element: DataElement, method: DeidentificationMethod, patient: str, depth: int
) -> None:
    items = []
    for item in element.value:
        carried = {keyword for keyword in CARRIERS if keyword in item}
        _clean_items(item, method, patient, depth + 1)
        if all(keyword in item for keyword in carried):
            items.append(item)
    if len(items) == len(element.value):
        return
    if items:
        element.value = Items(items)
    else:
        del ds[element.tag]


def _clean(ds: Dataset, element: DataElement, method: DeidentificationMethod, patient: str) -> None:
    if element.VR in _DATES and element.value:
        by = method.secrets.shift(patient)
        element.value = each(element.value, lambda value: shifted(element.VR, value, by))
    elif element.VR in {"LO", "LT", "SH", "ST", "UC", "UT"} and element.value:
        element.value = each(element.value, cleaned)
    elif element.value:
        del ds[element.tag]


def say_what_was_done(ds: Dataset, options: frozenset[ProfileOption]) -> None:
    """Record the method in the data set."""
    codes = [BASIC_CODE, *(OPTION_CODES[option] for option in ProfileOption if option in options)]
    ds.PatientIdentityRemoved = "YES"
    # Appended to the method of an earlier de-identification (E.1.1).
    before = ds.get("DeidentificationMethod") or []
    methods = [before] if isinstance(before, str) else list(before)
    ds.DeidentificationMethod = list(dict.fromkeys([*methods, *(meaning[:64] for _, meaning in codes)]))
    earlier = list(ds.get("DeidentificationMethodCodeSequence") or [])
    code_pairs = {(item.get("CodeValue"), item.get("CodingSchemeDesignator")) for item in earlier}
    added = [_code(*code) for code in codes if (code[0], "DCM") not in code_pairs]
    ds.DeidentificationMethodCodeSequence = Items([*earlier, *added])
    if ProfileOption.FULL_DATES in options:
        ds.LongitudinalTemporalInformationModified = "UNMODIFIED"
    else:
        ds.LongitudinalTemporalInformationModified = "MODIFIED" if ProfileOption.SHIFTED_DATES in options else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _file_meta(ds: FileDataset) -> FileMetaDataset:
    """Only the required elements: sender and writer of the original are left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return meta
