"""Names of transfer syntaxes agree with the dictionary of DICOM, which the module itself does not load."""

from __future__ import annotations

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from miqa_node.core.domain.transfer_syntax import transfer_syntax_name


def test_every_transfer_syntax_has_its_name() -> None:
    """Pydicom's, and those that the node adds to them (miqa_node/dicom/pixels/stand_in_plugin.py)."""
    names = {uid: UID(uid).name for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"}
    assert {uid: transfer_syntax_name(uid) for uid in names} == names
    assert len(names) > 50
