"""Space for uploaded forms while they are read: a folder with a quota, of which one address gets at most half.

It is never the system's temporary folder, and never uses more than the quota of the volume that C-STORE needs.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from shutil import rmtree
from threading import Lock
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from miqa_node.core.language.phrase import Phrase
from miqa_node.interfaces.web.media_types import UPLOAD_TYPE, content_type
from miqa_node.stages.receive.intake import HasRoom, always_room

PREFIX = "upload-"
COPIES = 2
"""An upload takes space twice: in the form, and in the file made from it."""
_DAY_S = 86_400.0


class UploadSpace:
    """The folder and its usage; thread-safe."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._taken: Counter[str] = Counter()
        self._lock = Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_leftovers(folder)

    def take(self, address: str, count: int) -> None:
        """Reserve bytes that are about to be written; HTTPException 503 above the quota."""
        with self._lock:
            of_address, of_all = self._taken[address] + count, self._taken.total() + count
            if of_all > self._max_bytes or of_address > self._max_bytes // 2:
                raise HTTPException(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    Phrase(
                        "Too much is being uploaded at once (web.upload_space_bytes, {max_bytes}); try again later.",
                        max_bytes=self._max_bytes,
                    ),
                    {"retry-after": "5"},
                )
            self._taken[address] = of_address

    def give_back(self, address: str, count: int) -> None:
        """Release the bytes of removed files."""
        with self._lock:
            self._taken[address] -= count
            if self._taken[address] <= 0:
                del self._taken[address]


class UploadedForm(FormData):
    """A form whose files stay in the space until it is closed."""

    lease: UploadLease | None = None

    async def close(self) -> None:
        """Remove the files."""
        await super().close()
        if self.lease is not None:
            self.lease.end()


class UploadLease:
    """The share of the space that one request has reserved."""

    def __init__(self, space: UploadSpace, address: str) -> None:
        self._space, self._address, self._count = space, address, 0

    def take(self, count: int) -> None:
        """Reserve more."""
        self._space.take(self._address, count)
        self._count += count

    def end(self) -> None:
        """Release everything; may be called twice."""
        self._space.give_back(self._address, self._count)
        self._count = 0


class UploadRequest(Request):
    """A request that reads its form into the application's upload space."""

    _read: UploadedForm | None = None

    def form(self, **limits: Any) -> Any:  # noqa: ARG002 - the limits are those of the space
        """The form; read once."""
        return self._form_in_space()

    async def _form_in_space(self) -> FormData:
        if content_type(self.headers) != UPLOAD_TYPE:
            return await super().form()
        if self._read is None:
            uploads = self.app.state.services.uploads
            if uploads is not None:
                await run_in_threadpool(uploads.intake.check)
            space: UploadSpace = self.app.state.services.upload_space
            lease = UploadLease(space, self.client.host if self.client else "")
            try:
                has_room = uploads.intake.has_room if uploads is not None else always_room
                parsed = await _FolderParser(self, space, lease, has_room).parse()
            except MultiPartException as error:
                lease.end()
                raise HTTPException(HTTPStatus.BAD_REQUEST, error.message) from error
            except BaseException:
                lease.end()
                raise
            self._read = UploadedForm(parsed)
            self._read.lease = lease
        return self._read


class UploadRoute(APIRoute):
    """A route that takes files: ``APIRouter(route_class=UploadRoute)``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with requests that read their form into the space."""
        handle = super().get_route_handler()

        async def with_space(request: Request) -> Response:
            return await handle(UploadRequest(request.scope, request.receive))

        return with_space


class _FolderParser(MultiPartParser):
    """Starlette's parser, with files in the space."""

    def __init__(self, request: Request, space: UploadSpace, lease: UploadLease, has_room: HasRoom) -> None:
        super().__init__(request.headers, _counted(request, lease, has_room))
        self._folder = space.folder

    def on_headers_finished(self) -> None:
        """Begin a part; its file has no name, so nothing of it remains after a crash."""
        super().on_headers_finished()
        upload = self._current_part.file
        if upload is not None:
            upload.file.close()
            upload.file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the form
            self._files_to_close_on_error[-1] = upload.file  # type: ignore[call-overload]  # it is closed, no more


async def _counted(request: Request, lease: UploadLease, has_room: HasRoom) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        if not has_room():
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The disk has become too full for the rest of this upload; try again later.",
                {"retry-after": "5"},
            )
        lease.take(COPIES * len(chunk))
        yield chunk


def _remove_leftovers(folder: Path) -> None:
    """Remove copies of killed processes; those of running ones are younger."""
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > _DAY_S:
                rmtree(path)
