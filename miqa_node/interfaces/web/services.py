"""The services that pages and the REST interface use, as a parameter of their operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore, RLock
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.operations import Alarm, certificate_alarms
from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.errors import DecodeError
from miqa_node.interfaces.web.gauges import DatabaseGauges
from miqa_node.interfaces.web.oidc import Provider
from miqa_node.interfaces.web.recent import RecentValues, Slots
from miqa_node.interfaces.web.recorded_views import RecordedViews
from miqa_node.interfaces.web.renders import Renders
from miqa_node.interfaces.web.upload_space import UploadSpace
from miqa_node.local import LocalResult
from miqa_node.parts import PartContext
from miqa_node.runtime.people import pseudonym_keys, tokens
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store.database import Database
from miqa_node.stages.assess.automation import (
    PackageAutomation,
    automation_alarms,
    automation_of,
    certified_automation,
)
from miqa_node.stages.deliver.certificates import certificate_ends
from miqa_node.stages.deliver.rows.destination_checks import alarms_now
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.rows.reserve import DiskReserve
from miqa_node.stages.receive.upload import Uploads
from miqa_node.stages.units.rows import priors
from miqa_node.stages.units.rows.priors import UsualRange

Made = TypeVar("Made")

USUAL_AGE_S = 600.0
MAX_KINDS = 200
"""Maximum number of kinds of image with cached usual ranges."""
READINESS_AGE_S = 5.0
ALARMS_AGE_S = 5.0
LIVE_HEARTBEAT_S = 10.0
"""Interval of the sign of life to open pages."""
RENDER_SIDE_PX, RENDER_CACHE_BYTES, RENDERS_AT_ONCE = 2048, 1 << 30, 2
"""Longer side of the image on a study's page; the longest unused are deleted first; more wait."""
MAX_LOOKS = 2
"""Images checked on the page at the same time; they compete with received images for the processor."""
HASHES_AT_ONCE = 2
MAX_SIGN_INS = 16
MAX_SIGN_INS_PER_ADDRESS = 8


def _decodes_nothing(_path: Path) -> Radiograph:
    raise DecodeError("This process decodes no images.")


@dataclass(frozen=True)
class WebServices:
    """The services, as ``node`` wires them.

    ``readiness`` gives the reasons why the node is not ready, ``decode`` the pixels of a stored file, ``archives`` the
    names of the destinations that take rejection notes.
    """

    database: Database
    objects: ObjectStore
    settings: Settings
    readiness: Callable[[], list[str]]
    starting: Callable[[], bool] = bool
    """Whether it is only not ready yet."""
    decode: Callable[[Path], Radiograph] = _decodes_nothing
    decode_frame: Callable[[Path, int], Radiograph] = lambda path, _frame: _decodes_nothing(path)
    """The pixels of one frame, counted from 0."""
    uncompress: Callable[[bytes], bytes] = uncompress
    """Converts a DICOM file to uncompressed pixels."""
    archives: Callable[[], Sequence[str]] = tuple
    intake: Intake | None = None
    """Receives DICOM files; None in a process that receives nothing."""
    policy: Callable[[], Policy] | None = None
    """The policy in force."""
    look: Callable[[Path, tuple[str, str, str]], LocalResult] | None = None
    """Assesses a file without storing it, given modality, body part and view of a picture; None if unavailable."""
    node: PartContext | None = None
    """The node whose pages these are; None for pages without one, such as those under test."""
    destinations: Callable[[], tuple[str, ...]] = tuple
    """Names of the configured destinations."""
    certificates: Callable[[], Mapping[str, str]] = dict
    """PEM files of the certificates that the node presents, by setting or destination."""
    echo: Callable[[str], str] | None = None
    """Probes a destination; returns the result in words, or raises a DeliveryError; None if unavailable."""
    models: Callable[[], Mapping[str, str]] = dict
    """The model packages in force by slot; empty if a slot has none."""
    endings: list[Callable[[], None]] = field(default_factory=list, init=False, repr=False)
    """Called when the web server stops, before it waits for open requests."""
    made: dict[Callable[..., object], object] = field(default_factory=dict, init=False, repr=False)
    """What features have for their pages, by the function that makes it."""
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)
    look_turn: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(MAX_LOOKS), init=False, repr=False)
    """Held while ``look`` runs; further checks wait."""

    def address(self, request: Request) -> str:
        """The node's address for browsers, without a trailing slash: from the settings, otherwise from this request."""
        return (self.settings.web.public_url or str(request.base_url)).rstrip("/")

    def welcome_link(self, request: Request, secret: str) -> str:
        """The address where the owner of an account chooses a password."""
        return f"{self.address(request)}/welcome/{secret}"

    def of(self, make: Callable[[WebServices], Made]) -> Made:
        """What a feature has for its pages: ``make`` makes it of these services, once per application."""
        with self._lock:
            if make not in self.made:
                self.made[make] = make(self)
            return cast("Made", self.made[make])

    @property
    def policy_in_force(self) -> Policy:
        """That of the node; without one, as the site's file says."""
        return self.policy() if self.policy is not None else read_policy(self.settings.policy_file)

    @property
    def uploads(self) -> Uploads | None:
        """Receives uploaded images; None in a process that receives nothing."""
        return Uploads(self.intake) if self.intake is not None else None

    @cached_property
    def gauges(self) -> DatabaseGauges:
        """Metrics with counts from the database."""
        return DatabaseGauges(self.database)

    @cached_property
    def reserve(self) -> DiskReserve:
        """The free space that must stay."""
        return DiskReserve(self.database, self.objects, self.settings)

    @cached_property
    def renders(self) -> Renders:
        """Pixels for the images on a study's page."""
        folder = self.settings.node.data_dir / "renders"
        return Renders(folder, side=RENDER_SIDE_PX, max_bytes=RENDER_CACHE_BYTES, at_once=RENDERS_AT_ONCE)

    @cached_property
    def usual_values(self) -> RecentValues[tuple[str, str, str], Mapping[str, UsualRange]]:
        """The usual range of each measurement, by modality, body part and view."""

        def read(kind: tuple[str, str, str]) -> Mapping[str, UsualRange]:
            with self.database.begin() as transaction:
                return priors.usual_values(transaction, *kind)

        return RecentValues(read, USUAL_AGE_S, MAX_KINDS)

    @cached_property
    def recent_readiness(self) -> RecentValues[None, list[str]]:
        """Why the node is not ready; checked at most every READINESS_AGE_S."""
        return RecentValues(lambda _: self.readiness(), READINESS_AGE_S, 1)

    @cached_property
    def recent_alarms(self) -> RecentValues[None, Sequence[Alarm]]:
        """The alarms for the banner of every page; updated at most every ALARMS_AGE_S."""
        wait_s = self.settings.deliver.longest_wait_s

        def read(_: None) -> Sequence[Alarm]:
            with self.database.begin() as transaction:
                now = datetime.now(UTC)
                others = (
                    *pseudonym_keys.alarms(transaction, now),
                    *retention_clock.alarms(transaction),
                    *tokens.alarms(transaction, now),
                )
            others = *self.certificate_alarms(), *automation_alarms(certified_automation(self.settings)), *others
            return *alarms_now(self.database, self.destinations(), wait_s), *others

        return RecentValues(read, ALARMS_AGE_S, 1)

    def certificate_alarms(self) -> Iterator[Alarm]:
        """The current alarms of certificates."""
        return certificate_alarms(certificate_ends(self.certificates()), datetime.now(UTC))

    def automation(self) -> list[PackageAutomation]:
        """By which evidence each package for predictions automates now."""
        return automation_of(self.settings, self.policy()) if self.policy is not None else []

    @cached_property
    def predictions(self) -> Slots:
        """Uploads to ``/predict`` that wait for their result."""
        return Slots(self.settings.web.max_predictions)

    @cached_property
    def storing(self) -> Slots:
        """STOW-RS requests in progress."""
        web = self.settings.web
        return Slots(web.max_uploads, web.max_uploads_per_address)

    @cached_property
    def signing_in(self) -> Slots:
        """Password checks in progress or waiting; limited, so that strangers cannot block all request threads."""
        return Slots(MAX_SIGN_INS, MAX_SIGN_INS_PER_ADDRESS)

    @cached_property
    def password_turn(self) -> BoundedSemaphore:
        """Held while a hash is computed: each takes 64 MiB and most of a tenth of a second."""
        return BoundedSemaphore(HASHES_AT_ONCE)

    @cached_property
    def views(self) -> RecordedViews:
        """Views recorded in the audit trail."""
        return RecordedViews(self.database, self.settings.audit.seen_again_s)

    @cached_property
    def upload_space(self) -> UploadSpace:
        """The space for uploaded forms while they are read."""
        return UploadSpace(self.settings.uploads_dir, self.settings.web.upload_space_bytes)

    @cached_property
    def provider(self) -> Provider:
        """The site's OpenID Connect provider."""
        return Provider(self.settings.oidc)


def _of(request: Request) -> WebServices:
    services: WebServices = request.app.state.services
    return services


Services = Annotated[WebServices, Depends(_of)]
"""The type of the parameter that gives an operation the services."""
