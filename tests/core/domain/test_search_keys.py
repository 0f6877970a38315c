"""The keys of searches agree with the dictionary of DICOM, which the module itself does not load."""

from __future__ import annotations

from pydicom.datadict import dictionary_VM, dictionary_VR

from miqa_node.core.domain.search_keys import SEARCH_KEYS


def test_every_key_has_the_value_representation_of_the_dictionary() -> None:
    by_dictionary = {name: dictionary_VR(name.rpartition(".")[2]) for name in SEARCH_KEYS}
    assert {name: key.vr for name, key in SEARCH_KEYS.items()} == by_dictionary


def test_only_a_key_within_a_sequence_has_a_sequence() -> None:
    nested = {name: key.sequence for name, key in SEARCH_KEYS.items() if key.sequence}
    assert set(nested.values()) == {"RequestAttributesSequence"}
    assert {dictionary_VR(sequence) for sequence in nested.values()} == {"SQ"}
    assert {dictionary_VM(name.rpartition(".")[2]) for name in nested} == {"1"}
