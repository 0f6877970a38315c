"""What the web interface reads from and writes to, and how its operations get at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from miqa_node.assess.local import LocalResult
from miqa_node.domain.image import Radiograph
from miqa_node.domain.policy import Policy
from miqa_node.domain.ports import ObjectStore
from miqa_node.errors import DecodeError
from miqa_node.receive.intake import Intake
from miqa_node.receive.upload import Uploads
from miqa_node.settings import Settings
from miqa_node.store.database import Database


def _decodes_nothing(_path: Path) -> Radiograph:
    raise DecodeError("This process decodes no images.")


@dataclass(frozen=True, slots=True)
class WebServices:
    """Handed over by ``node``.

    ``readiness`` gives the reasons why the node is not ready, ``decode`` the pixels of a stored file, ``archives`` the
    names of the destinations that take rejection notes.
    """

    database: Database
    objects: ObjectStore
    settings: Settings
    readiness: Callable[[], list[str]]
    decode: Callable[[Path], Radiograph] = _decodes_nothing
    archives: Callable[[], Sequence[str]] = tuple
    intake: Intake | None = None
    """Where DICOM files come in; None in a process that receives nothing."""
    uploads: Uploads | None = None
    """Where uploaded images go; None where nothing is received."""
    policy: Callable[[], Policy] | None = None
    """The policy in force."""
    look: Callable[[Path, tuple[str, str, str]], LocalResult] | None = None
    """Judges a file that is not kept, with modality, body part and view of a picture; None where nothing is judged."""


def _of(request: Request) -> WebServices:
    services: WebServices = request.app.state.services
    return services


Services = Annotated[WebServices, Depends(_of)]
"""Parameter type of operations that need them."""
