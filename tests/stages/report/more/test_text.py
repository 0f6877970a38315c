"""Text in the writer's language: in the source's character set where it holds it, else in UTF-8, and never as "?"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom

from miqa_node.stages.report.outputs.rejection import rejection_note
from tests.stages.report import making
from tests.stages.report.test_text import COMMENTS, CONFIRMED, NAMES, comment_of, in_set


def test_a_comment_comes_back_as_it_was_typed_whatever_the_image_declares(tmp_path: Path) -> None:
    small = making.small()
    for number, name in enumerate(NAMES):
        source = making.write(small, tmp_path / f"{number}.dcm", in_set(name))
        image = pydicom.dcmread(source, stop_before_pixels=True)
        for comment in COMMENTS.values():
            made = rejection_note([source], making.assessment(), replace(CONFIRMED, comment=comment))
            note = making.read(made)
            assert comment_of(note) == comment, (name, comment)
            (person,) = [item.PersonName for item in note.ContentSequence if item.ValueType == "PNAME"]
            assert str(person) == "Jörg Größe^"
            assert (note.PatientName, note.StudyDescription) == (image.PatientName, image.StudyDescription), name
            assert b"?" not in made.data, (name, comment)
