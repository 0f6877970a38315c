"""Makes a site in a folder with a real node: sends, waits for verdicts, lets people work, and ends with the past."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from demo.site.objects import SiteFile
from demo.site.past import move_to_past
from demo.site.people import SitePeople, add_people
from demo.site.plan import CHEST, LATE, LEG, SiteExposure, plan
from demo.site.radiographs import radiograph
from demo.site.scans import series
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import MiqaError
from miqa_node.features.retention.work.retention import Retention
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, connect
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_selftest.launch import HOST, NodeProcess, free_ports
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs

NODE_AE_TITLE = "MIQA"
ARCHIVE = "ARCHIVE"
NOBODY_LISTENS = 9
"""The port of the archive that is down."""
LATE_SLICES, ACCEPTED_DAYS = 2, 10
LEAST_FOR_LIMITS = 200
VERDICT_LIMIT_S = 1800.0
POLL_S = 0.1
QUIET = {"MIQA_WORK__CT_QUIET_S": "2", "MIQA_WORK__MR_QUIET_S": "2", "MIQA_DICOM__HOST": HOST,
         "MIQA_WORK__CANARY_INTERVAL_S": "0"}  # fmt: skip

Send = Callable[[SiteExposure, Sequence[SiteFile]], None]


def make_site(folder: Path, images: int, phantom_scans: int) -> None:
    """A node's data in ``folder``, which must not exist: so many exposures of patients, and scans of phantoms."""
    settings = settings_of(folder)
    folder.mkdir(parents=True)
    began, now = datetime.now(UTC), datetime.now().astimezone()
    exposures = plan(images, phantom_scans, now)
    with closing(Database(settings.database_url)) as database:
        database.migrate()
        secrets = add_people(database)
    dicom_port, web_port, pacs_port = free_ports((0, 0, 0))
    with ReceivingPacs(folder / "pacs", pacs_port) as pacs:
        write_destinations(folder, pacs.port, pacs.port)
        node = NodeProcess(folder, NODE_AE_TITLE, dicom_port, web_port, environment=QUIET)
        with node, _modalities(node, settings) as send:
            people = SitePeople(node.web_port, secrets)
            people.choose_notices()
            earlier = [one for one in exposures if one.at.date() < now.date()]
            _expose(node, people, send, earlier, (AE_TITLE, ARCHIVE))
            if images >= LEAST_FOR_LIMITS:
                people.confirm_limits()
            people.work()
            _wait_for_deliveries(node, people, (AE_TITLE, ARCHIVE))
            write_destinations(folder, pacs.port, NOBODY_LISTENS)
            _expose(node, people, send, exposures[len(earlier) :], (AE_TITLE,))
            people.look_at_the_newest()
            people.keep_phantoms()
            _wait_for_histories(node, people)
    with closing(Database(settings.database_url)) as database:
        exposed = {one.study_uid: one.at.astimezone(UTC) for one in reversed(exposures)}
        move_to_past(database, exposed, began, datetime.now(UTC))
        Retention(database, objects_of(settings), settings).look()
    shutil.rmtree(folder / "pacs")
    write_destinations(folder, NOBODY_LISTENS, NOBODY_LISTENS)


def _expose(
    node: NodeProcess, people: SitePeople, send: Send, exposures: Sequence[SiteExposure], up: Sequence[str]
) -> None:
    """Send all, late slices behind the verdicts; return when all is judged, and delivered to those that are up."""
    late = []
    for exposure in exposures:
        files = [radiograph(exposure)] if exposure.shows in (CHEST, LEG) else series(exposure)
        if exposure.fault == LATE:
            late.append((exposure, files[-LATE_SLICES:]))
            files = files[:-LATE_SLICES]
        send(exposure, files)
    _wait(node, (one.uid("1") for one in exposures))
    for exposure, files in late:
        send(exposure, files)
    _wait(node, (one.sop_instance_uid for _, files in late for one in files))
    _wait_for_deliveries(node, people, up)


def _wait_for_deliveries(node: NodeProcess, people: SitePeople, up: Sequence[str]) -> None:
    waiting = "/api/v1/deliveries?state=QUEUED&limit=1&destination="
    _until(
        lambda: not any(people.ask("ada", "GET", f"{waiting}{name}")["total"] for name in up),
        "Results are not delivered.", node,
    )  # fmt: skip


def _wait_for_histories(node: NodeProcess, people: SitePeople) -> None:
    """Usual ranges read new verdicts at intervals, so a small site would be done before their first look."""
    _until(lambda: people.ask("ada", "GET", "/api/v1/ranges?limit=1")["total"], "No history of a scanner began.", node)


def _until(is_so: Callable[[], object], otherwise: str, node: NodeProcess) -> None:
    until = time.monotonic() + VERDICT_LIMIT_S
    while not is_so():
        if time.monotonic() > until:
            raise MiqaError(f"{otherwise}\n{node.last_lines()}")
        time.sleep(POLL_S)


def settings_of(folder: Path) -> Settings:
    """Of the node that made the site."""
    return load_settings(node={"data_dir": folder}, retention={"enabled": True, "accepted_days": ACCEPTED_DAYS})


def write_destinations(folder: Path, pacs_port: int, archive_port: int) -> None:
    """The PACS, and an archive that also takes results."""
    tables = (
        f'[[destination]]\nname = "{name}"\nae_title = "{name}"\nhost = "{HOST}"\nport = {port}\n'
        for name, port in ((AE_TITLE, pacs_port), (ARCHIVE, archive_port))
    )
    (folder / "destinations.toml").write_text("\n".join(tables), "utf-8")


@contextmanager
def _modalities(node: NodeProcess, settings: Settings) -> Iterator[Send]:
    """Sends files as a machine does, each over an association of its own."""
    target = CStoreConfig(name="node", ae_title=NODE_AE_TITLE, host=HOST, port=node.dicom_port)
    with ExitStack() as stack:

        @cache
        def opened(station: str) -> Destination:
            return stack.enter_context(closing(connect(target, DeliveryContext(settings.deliver, station))))

        def send(exposure: SiteExposure, files: Sequence[SiteFile]) -> None:
            for one in files:
                opened(exposure.machine.station).send_one(one.sop_class_uid, one.sop_instance_uid, one.data)

        yield send


def _wait(node: NodeProcess, uids: Iterable[str]) -> None:
    """Until each object has a verdict."""
    until = time.monotonic() + VERDICT_LIMIT_S
    for uid in uids:
        while not (node.instance(uid) or {}).get("disposition"):
            if not node.running() or time.monotonic() > until:
                raise MiqaError(f"{uid} got no verdict.\n{node.last_lines()}")
            time.sleep(POLL_S)
