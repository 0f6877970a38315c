"""A source that takes in every file named in a text file, one path a line, and remembers what it has taken in.

[sources.filelist]
file = "/srv/miqa/list.txt"
"""

import threading
from pathlib import Path

from miqa_node.receive.part10 import FileOrigin, FileTransfer
from miqa_node.receive.statuses import OUT_OF_RESOURCES
from miqa_node.sources.base import ImageSource, SourceContext, SourceKind
from pydantic import BaseModel, ConfigDict

miqa_api = 1
INTERVAL_S = 1.0


class FileListOptions(BaseModel):
    """Its table in the settings."""

    model_config = ConfigDict(extra="forbid")

    file: Path


class FileList(ImageSource):
    """Looks at the list once a second; a file that was taken in stands in ``<list>.done``."""

    def __init__(self, options: FileListOptions, context: SourceContext) -> None:
        self._list, self._done = options.file, options.file.with_suffix(".done")
        self._intake = context.intake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="file-list", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the file that is being taken in."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            done = set(_lines(self._done))
            for line in _lines(self._list):
                if line not in done and not self._stopping.is_set():
                    self._take_in(line)

    def _take_in(self, line: str) -> None:
        path = Path(line)
        if path.is_file():
            transfer = FileTransfer(self._intake, FileOrigin("FILELIST", "MIQA", "127.0.0.1"))
            try:
                transfer.write(path.read_bytes())
                answer = transfer.finish()
            finally:
                transfer.end()
            if answer.status == OUT_OF_RESOURCES and not answer.lasting:
                return  # no room now: the next round tries again
        with self._done.open("a", encoding="utf-8") as done:
            done.write(f"{line}\n")


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def _open(context: SourceContext) -> FileList | None:
    if not context.options:
        return None  # this site does not ask for it
    return FileList(FileListOptions.model_validate(dict(context.options)), context)


SOURCE = SourceKind("filelist", _open)
