"""The exit codes, the same for every command."""

from __future__ import annotations

from enum import IntEnum

from miqa_node.errors import ConflictError, InputError, MiqaError, NotFoundError, ResourcesError, SettingsError


class Exit(IntEnum):
    """Exit codes; docs/reference/cli.md explains each."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    HOPELESS = 6
    UNPROVED = 7
    COERCED = 8
    INTERRUPTED = 130


EXPLANATIONS = {
    Exit.OK: "The command succeeded.",
    Exit.FAILED: "Part of the work failed: a file could not be read, a check or a delivery failed. The rest was done.",
    Exit.USAGE: "The command line or a setting is wrong; nothing was done.",
    Exit.NOT_FOUND: "No such study, instance or model package.",
    Exit.CONFLICT: "The state of the worklist item does not allow this change.",
    Exit.UNAVAILABLE: "The database, the disk or an optional part of the installation is not available.",
    Exit.HOPELESS: "The node ended because a part of it could not be healed; the log says which. Start it again.",
    Exit.UNPROVED: "The patient was erased, but not proved: the database has tables that this version does not know.",
    Exit.COERCED: "A destination on trial stored everything, some of it with other values than were sent.",
    Exit.INTERRUPTED: "Stopped by Ctrl-C before it finished.",
}

_BY_ERROR: tuple[tuple[type[MiqaError], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (InputError, Exit.USAGE),
    (NotFoundError, Exit.NOT_FOUND),
    (ConflictError, Exit.CONFLICT),
    (ResourcesError, Exit.UNAVAILABLE),
)


def code_of(error: MiqaError) -> Exit:
    """The exit code of a command that ended with this error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.FAILED)


def reason_of(error: OSError) -> str:
    """What the operating system refused, without a traceback: the file, if it is one, and why.

    >>> reason_of(PermissionError(13, "Permission denied", "out.pdf")), reason_of(OSError(28, "No space left"))
    ('out.pdf: Permission denied.', 'No space left.')
    """
    file = f"{error.filename}: " if error.filename is not None else ""
    return f"{file}{error.strerror or type(error).__name__}."
