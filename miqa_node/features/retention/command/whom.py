"""Lists on the command line whom a Patient ID names."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.features.retention.rows.patient_choice import NamedPatient
from miqa_node.interfaces.cli.output import Column, print_table


def show_patients(everybody: Sequence[NamedPatient]) -> None:
    """Print everybody with an ID; those with an unknown authority by study."""
    print_table(
        ("Authority", Column("Studies", number=True), Column("Images", number=True), "Study Instance UID"),
        ((one.key.words or "(none)", str(one.studies), str(one.images), one.study_instance_uid) for one in everybody),
    )
