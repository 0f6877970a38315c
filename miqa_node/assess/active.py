"""The models in force: which packages judge images in this process."""

from __future__ import annotations

import threading
from pathlib import Path

from miqa_node.assess.assessor import ImageAssessor
from miqa_node.assess.packages import Package, newest_package, open_package
from miqa_node.assess.session import available_provider
from miqa_node.domain.ports import Assessor
from miqa_node.errors import ModelPackageError
from miqa_node.settings import Settings

QUALITY = "quality"


class ActiveModels:
    """Loads the quality package once and hands out the assessor that uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = quality_folder(settings)
        self._lock = threading.Lock()
        self._assessor: ImageAssessor | None = None

    @property
    def name(self) -> str:
        """Folder name of the quality package, which holds its version; "measurements" when there is none."""
        return self._folder.name if self._folder else "measurements"

    def load(self) -> None:
        """Load and check the package, goldens included; ModelPackageError says what is wrong with it."""
        with self._lock:
            if self._assessor is None:
                self._assessor = ImageAssessor(self._open())

    def assessor(self) -> Assessor:
        """The assessor in force."""
        self.load()
        assert self._assessor is not None  # noqa: S101 - load() either sets it or raises
        return self._assessor

    def check(self) -> None:
        """Raise the error that keeps models from running, a missing GPU provider included."""
        available_provider(self._settings.node.accelerator)
        self.load()

    def _open(self) -> Package | None:
        if self._folder is None:
            return None
        return open_package(self._folder, self._settings.node.accelerator, self._settings.assess)


def quality_folder(settings: Settings) -> Path | None:
    """Folder of the quality package that the settings name, or of the newest one; None when there is none.

    Raises
    ------
    ModelPackageError
        The settings name a package that does not exist.
    """
    wanted = settings.assess.quality_package
    if not wanted:
        return newest_package(settings.models_dir, QUALITY)
    folder = settings.models_dir / wanted
    if not folder.is_dir():
        raise ModelPackageError(f"assess.quality_package names {wanted!r}, which is not in {settings.models_dir}.")
    return folder
