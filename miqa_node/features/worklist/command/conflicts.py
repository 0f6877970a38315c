"""``miqa-node worklist conflicts`` and ``settle``: studies with images of several patients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.core.domain.patient import PatientKey
from miqa_node.features.worklist.rows import conflicts
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction


def list_conflicts(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List studies with images of several patients that nobody has looked at, newest first."""
    with open_transaction(config, data_dir) as transaction:
        listed = conflicts.unresolved(transaction, limit=limit)
    if as_json:
        print_json([to_json(one) for one in listed])
        return
    print_table(
        ("Since", "Study Instance UID", "Patient ID", "Authority", "Images"),
        (
            (moment(one.found_at), one.study_instance_uid, patient.patient_id,
             PatientKey(patient.patient_id, patient.authority).words, str(patient.images))
            for one in listed for patient in one.patients
        ),
    )  # fmt: skip


def settle(
    study_uid: Annotated[str, typer.Argument(metavar="STUDY_UID", help="Study Instance UID.")],
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help="What was found out; kept on record.")] = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that somebody has looked at a study with images of several patients; the images stay as they are."""
    with open_transaction(config, data_dir) as transaction:
        conflict = conflicts.resolve(transaction, study_uid, actor or login(), comment, datetime.now(UTC))
    if as_json:
        print_json(to_json(conflict))
    else:
        print_line("resolved", study_uid)
