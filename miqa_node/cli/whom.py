"""Whom a Patient ID names, on the command line: the option ``--authority`` and the list of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from miqa_node.cli.output import Column, print_table
from miqa_node.store.patient_choice import NamedPatient

Authority = Annotated[
    str | None,
    typer.Option(
        "--authority",
        metavar="NAME",
        help='Who assigned the Patient ID (0010,0021), if several did; "" is the site\'s own numbering.',
    ),
]


def show_patients(everybody: Sequence[NamedPatient]) -> None:
    """Print everybody with an ID; those with an unknown authority by study."""
    print_table(
        ("Authority", Column("Studies", number=True), Column("Images", number=True), "Study Instance UID"),
        ((one.key.words or "(none)", str(one.studies), str(one.images), one.study_instance_uid) for one in everybody),
    )
