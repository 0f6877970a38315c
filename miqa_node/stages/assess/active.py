"""The models in force: which package judges images in this process. Changes take effect while the node runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from miqa_node.core.domain.assessment import NO_MODEL, Assessment
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import Assessor
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, ModelPackageError
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.package_files import find_package, newest_package, places
from miqa_node.stages.assess.packages import Package, open_package, with_calibration
from miqa_node.stages.assess.session import available_provider
from miqa_node.stages.assess.site_calibration import calibration_path, certificate_sentence, in_force
from miqa_node.stages.explain.explainer import Explainer

log = structlog.get_logger(__name__)

QUALITY = "quality"
SERIES = "series"
"""Names of the packages that are used without being chosen."""
MEASUREMENTS_ONLY = "measurements"

Stamp = tuple[str, int, int]
"""Package, modification time and size of its calibration file; a package is reloaded when any of them changes."""


def no_choice() -> ModelChoice:
    """Nothing was chosen: the settings decide, or the newest package is used."""
    return ModelChoice()


class ActiveModels:
    """Loads the quality package and hands out the assessor that uses it.

    ``choice`` returns the site's choice (``node`` reads it from the database). :meth:`follow` loads a new package
    while the old one goes on judging; a running assessment finishes on the package it began with.
    """

    def __init__(
        self,
        settings: Settings,
        choice: Callable[[], ModelChoice] = no_choice,
        policy: Callable[[], Policy] | None = None,
        *,
        calibrated: bool = True,
    ) -> None:
        self._settings, self._policy = settings, policy
        self._choice = choice
        self._calibrated = calibrated
        self._default = quality_folder(settings)
        self._wanted = self._default
        self._lock = threading.Lock()
        self._opened: Package | None = None
        self._package: Package | None = None
        self._assessor: ImageAssessor | None = None
        self._stamp: Stamp | None = None
        self._failed: Stamp | None = None
        self._said = ""
        self._series_folder: Path | None = None
        self._series: Package | None = None

    @property
    def name(self) -> str:
        """Name and version of the chosen package; "measurements" if there is none."""
        return _label(self._wanted)

    @property
    def package(self) -> Package | None:
        """The package that judges now; None before :meth:`load`, or without one."""
        return self._package

    @property
    def refusal(self) -> str:
        """Why the chosen package is not in use and another one judges instead; empty if it is in use."""
        return self._said

    def load(self) -> None:
        """Load and check the package, goldens included; raise ModelPackageError with the reason if it is unusable."""
        with self._lock:
            if self._assessor is None:
                self._wanted = self._find(self._choice())
                self._take(self._wanted)

    def follow(self) -> None:
        """Check whether the choice or the site's calibration changed, and load the new package or calibration.

        A package that cannot be loaded never replaces one that works. The log gives the reason; the node tries again
        when the choice or the calibration changes.
        """
        with self._lock:
            try:
                self._wanted = self._find(self._choice())
                stamp = self._look(self._wanted)
                if stamp == self._stamp:
                    self._failed, self._said = None, ""
                if self._assessor is None or stamp in (self._stamp, self._failed):
                    return
                self._failed = stamp
                self._take(self._wanted)
                log.info("models changed", active=self.name)
                self._said = ""
            except MiqaError as error:
                if str(error) != self._said:  # log once, not at every poll
                    log.error("the chosen model package cannot be used, the one before stays", reason=str(error))
                self._said = str(error)

    def assessor(self) -> Assessor:
        """The assessor in force."""
        assessor = self._assessor
        if assessor is None:
            self.load()
            assessor = self._assessor
        assert assessor is not None  # noqa: S101 - load() either sets it or raises
        return assessor

    def series(self) -> Package | None:
        """The newest package called "series", which judges CT and MR series; None if no such package works."""
        with self._lock:
            folder = newest_package(self._settings.model_folders, SERIES)
            if folder != self._series_folder:
                self._series_folder, self._series = folder, None
                try:
                    self._series = None if folder is None else self._open_series(folder)
                except MiqaError as error:
                    log.error("the package for series cannot be used, they are only measured", reason=str(error))
            return self._series

    def _open_series(self, folder: Path) -> Package:
        package = open_package(folder, self._settings.node.accelerator, self._settings.assess)
        if package.contract.unit != "series":
            raise ModelPackageError(
                "{package}: its contract {contract} does not judge series.",
                package=package.name,
                contract=package.contract.name,
            )
        log.info("package opened", package=package.name, task="series", provider=package.provider)
        return package

    def check(self) -> None:
        """Raise the error that keeps models from running, a missing GPU provider included."""
        available_provider(self._settings.node.accelerator)
        if self._assessor is None:
            self.load()

    def obstacle(self, *, series: bool) -> str:
        """Why no package can judge an image, or a series, now; empty if one can."""
        if series:
            return "" if self.series() is not None else Phrase("No usable package {name} is installed.", name=SERIES)
        try:
            self.check()
        except MiqaError as error:
            return str(error)
        return "" if self._package is not None else NO_MODEL

    def certificate(self, assessment: Assessment, policy: Policy) -> str:
        """What to show beside this assessment's verdict; a certificate counts only if model, site and policy match."""
        package, model = self._package, assessment.model
        if package is None or model is None:
            return Phrase("no certificate: no model judged the image")
        if assessment.experimental or assessment.has_figures:  # by what judges images that this package leaves
            return Phrase("no certificate: {package} judged the image, and has none", package=model.label)
        if model.sha256 != package.identity.sha256 or assessment.calibration != package.calibration.identity:
            return Phrase("no certificate: the model or its calibration changed after the image was assessed")
        return certificate_sentence(package.card, package.calibration, policy, self._settings.node.site)

    def _find(self, choice: ModelChoice) -> Path | None:
        # A package named in the settings always takes precedence over a later choice.
        if not choice.active or self._settings.assess.quality_package:
            return self._default
        return chosen_package(self._settings, choice)

    def _take(self, folder: Path | None) -> None:
        stamp = self._look(folder)
        if folder is None:
            self._opened = package = None
        else:
            if self._opened is None or self._opened.folder != folder:
                self._opened = open_package(folder, self._settings.node.accelerator, self._settings.assess)
            package = self._as_calibrated(self._opened)
        explainer = None
        if package is not None and package.contract.map_tensors(package.card) is not None:
            explainer = Explainer(package, self._settings.node.accelerator, self._settings.assess)
        self._assessor = ImageAssessor(package, explainer, self._settings.node.data_dir, self._policy)
        self._package = package
        self._stamp, self._failed = stamp, None

    def _as_calibrated(self, package: Package) -> Package:
        if not self._calibrated:
            return package
        node = self._settings.node
        path = calibration_path(node.data_dir, package.name)
        calibration = in_force(path, package.card, package.identity.sha256, node.site)
        if calibration.refused:
            log.warning("the site's calibration is not used", package=package.name, reason=calibration.refused)
        return with_calibration(package, calibration)

    def _look(self, folder: Path | None) -> Stamp:
        try:
            status = calibration_path(self._settings.node.data_dir, _label(folder)).stat()
        except OSError:
            return (str(folder), 0, 0)
        return (str(folder), status.st_mtime_ns, status.st_size)


def quality_folder(settings: Settings) -> Path | None:
    """Package that the settings name, or the newest quality package; None without one.

    Raises
    ------
    ModelPackageError
        The settings name a package that does not exist.
    """
    name = settings.assess.quality_package
    if not name:
        return newest_package(settings.model_folders, QUALITY)
    folder = find_package(settings.model_folders, name)
    if folder is None:
        raise ModelPackageError(
            "assess.quality_package names {name}, which is not in {model_folders}.",
            name=f"{name!r}",
            model_folders=places(settings.model_folders),
        )
    return folder


def chosen_package(settings: Settings, choice: ModelChoice) -> Path | None:
    """Package that judges images under these settings and this choice; None without one.

    Raises
    ------
    ModelPackageError
        The package that is chosen or that the settings name does not exist.
    """
    if not choice.active or settings.assess.quality_package:
        return quality_folder(settings)
    folder = find_package(settings.model_folders, choice.active)
    if folder is None:
        raise ModelPackageError(
            "The active package {active} is not in {model_folders}.",
            active=choice.active,
            model_folders=places(settings.model_folders),
        )
    return folder


def _label(folder: Path | None) -> str:
    if folder is None:
        return MEASUREMENTS_ONLY
    return package_label(folder)
