"""A start on a full disk: until there is room, the node listens, refuses every image, and says why it is not ready.

A process that ended instead would be started again and again, and senders would get no answer at all.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import structlog

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.domain.object_store import MiB
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.process import begin_loading, end_loading
from miqa_node.core.settings import Settings
from miqa_node.errors import ResourcesError

START_BYTES = 16 * MiB
"""What a start writes at most; new tables have 1.5 MB, the database's journal has 4 MB."""
CHECK_INTERVAL_S = 1.0

log = structlog.get_logger(__name__)


def wait_for_room(settings: Settings, role: NodeRole, pause: Callable[[float], bool]) -> None:
    """Return when the disk of the data directory has room for a start, at once if it has; or when ``pause`` is true.

    ``pause`` waits for a number of seconds and says whether the process has to stop.
    """
    folder = settings.node.data_dir
    if not (reason := lacks_room(folder)):
        return
    log.warning("the node waits for room on its disk", reason=reason)
    with _refusing(settings, role, reason):
        end_loading()
        while lacks_room(folder):
            if pause(CHECK_INTERVAL_S):
                return
    begin_loading()
    log.info("the node goes on: there is room on its disk")


def lacks_room(data_dir: Path) -> str:
    """Why the disk is too full for a start, in words; empty if it is not, or cannot be used for another reason."""
    folder = next(one for one in (data_dir.absolute(), *data_dir.absolute().parents) if one.is_dir())
    try:
        free = shutil.disk_usage(folder).free
        if free >= START_BYTES:  # a quota may be used up nevertheless
            with TemporaryFile(dir=folder) as file:
                os.posix_fallocate(file.fileno(), 0, START_BYTES)
            return ""
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return ""  # the start says it
        free = 0
    return Phrase(
        "The disk of the data directory is full: {free} MiB are free, a start needs {start_bytes}. "
        "The node goes on by itself when there is room.",
        free=free // MiB,
        start_bytes=START_BYTES // MiB,
    )


@contextmanager
def _refusing(settings: Settings, role: NodeRole, reason: str) -> Iterator[None]:
    """Storage SCP and web servers that store nothing and need no database."""
    from miqa_node.interfaces.web.app import create_refusing_app
    from miqa_node.interfaces.web.server import WebServer
    from miqa_node.interfaces.web.services import WebServices
    from miqa_node.runtime.store.database import Database
    from miqa_node.runtime.store.disk import DiskObjects
    from miqa_node.stages.receive.intake import Intake
    from miqa_node.stages.receive.scp import StorageScp

    def refuse() -> None:
        raise ResourcesError(reason)

    with ExitStack() as ending:
        folder = settings.incoming_dir
        if not folder.is_dir():  # the first start: nothing can be made there
            folder = Path(ending.enter_context(TemporaryDirectory(prefix="miqa-refusing-")))
        database = Database.in_memory()
        ending.callback(database.close)
        services = WebServices(database, DiskObjects(folder), settings, lambda: [reason])
        for health in (True, False):
            web = WebServer(create_refusing_app(services), settings.web, health=health)
            ending.callback(web.stop)
            web.start()
        if role.receives:
            scp = StorageScp(settings.dicom, Intake.of(settings.dicom, folder, _keep_nothing, refuse))
            ending.callback(scp.stop)
            scp.start()
        yield


def _keep_nothing(_received: ReceivedObject) -> None:
    raise AssertionError("every object is refused when it begins")
