"""A pilot of October on an archive of pynetdicom, run in the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from miqa_node.core.settings import Settings, load_settings
from miqa_node.features.pilot.archive import Way
from miqa_node.features.pilot.campaign import Campaign, Limits
from miqa_node.features.pilot.judging import PilotJudge
from miqa_node.features.pilot.opening import only_run, opened_source
from miqa_node.features.pilot.pace import Pace
from miqa_node.features.pilot.progress import PilotCounts
from miqa_node.features.pilot.protocol import PilotProtocol
from miqa_node.features.pilot.rows import images, pilots, sample
from miqa_node.features.pilot.sampling import SampleCampaign
from miqa_node.features.pilot.strata import DrawnStratum
from miqa_node.features.pilot.tables import pilot_days
from miqa_node.features.retention.rows import erasure
from miqa_node.runtime.store.database import Database
from tests.conftest import free_port
from tests.features.pilot.making import Site
from tests.features.pilot.scripted_archive import ScriptedArchive

NOW = datetime.now(UTC)


class EndOfNightError(Exception):
    """The process ends here."""


@dataclass
class Trial:
    """A pilot of October on a scripted archive."""

    settings: Settings
    database: Database
    judge: PilotJudge
    archive: ScriptedArchive
    pace: Pace

    def run(self, way: Way = Way.ANY, stop_after: int = 0) -> PilotCounts:
        """Go on; EndOfNightError after so many images."""
        with self.database.begin() as transaction:
            protocol = pilots.find(transaction, "october").protocol
        limits = Limits(self.pace, None, lambda: datetime(2026, 10, 1), sleep=lambda _seconds: None)  # noqa: DTZ001

        def tell(_counts: PilotCounts, _more: int) -> None:
            if stop_after:
                with self.database.begin() as transaction:
                    if pilots.counts(transaction, "october").fetched == stop_after:
                        raise EndOfNightError

        with (
            only_run(self.settings) as folder,
            opened_source(self.settings, self.database, protocol, folder, way) as source,
        ):
            return Campaign(self.database, protocol, source, self.judge, limits, folder, tell).run()

    def fetch_sample(self, after_first: Callable[[], None] = lambda: None) -> None:
        """Fetch what was drawn again; something may happen after the first image."""
        with self.database.begin() as transaction:
            protocol = pilots.find(transaction, "october").protocol
        limits = Limits(self.pace, None, lambda: datetime(2026, 10, 1), sleep=lambda _seconds: None)  # noqa: DTZ001
        happenings = [after_first]

        def tell(_counts: PilotCounts, _more: int) -> None:
            if happenings:
                happenings.pop()()

        with only_run(self.settings) as folder, opened_source(self.settings, self.database, protocol, folder) as source:
            SampleCampaign(self.database, protocol, source, self.judge, limits, folder, tell).fetch_sample()

    def draw(self, stratum: str = "flagged / * / * / *") -> None:
        """Draw all images for a reader, as one stratum."""
        with self.database.begin() as transaction:
            drawn = images.select(transaction, "october")
            strata = [DrawnStratum(stratum, tuple(drawn), tuple(drawn))]
            order = [image.image_id for image in drawn]
            sample.store(transaction, "october", strata, order, ["ada"], [], NOW)

    def rows(self) -> dict[str, images.PilotImage]:
        """The images by UID."""
        with self.database.begin() as transaction:
            return {one.sop_instance_uid: one for one in images.select(transaction, "october")}

    def list_again(self) -> None:
        """Forget which days were listed."""
        with self.database.begin() as transaction:
            transaction.execute(sa.delete(pilot_days))

    def erase(self, patient_id: str) -> None:
        """Erase a patient."""
        with self.database.begin() as transaction:
            erasure.erase(transaction, patient_id, "asked for it", "anna", NOW)


@contextmanager
def trial(folder: Path, judge: PilotJudge, past: list[Any], *, get: bool = True) -> Iterator[Trial]:
    """Planned, and not begun."""
    archive = ScriptedArchive(past)
    site = Site(folder / "site", free_port())
    site.name_archives(pacs={"kind": "cstore", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": archive.port})
    settings = load_settings(site.config)
    protocol = PilotProtocol(
        name="october", sources=("pacs",), is_archive=True, modalities=("CR",), since=date(2026, 10, 1),
        until=date(2026, 10, 31), body_part="", planned=len(past), rooms={}, body_parts={}, seed="0", model="",
        policy="", software="",
    )  # fmt: skip
    with closing(Database(f"sqlite:///{site.folder / 'miqa.sqlite'}")) as database, archive.serving(get=get):
        database.migrate()
        with database.begin() as transaction:
            pilots.plan(transaction, protocol, {}, "anna", NOW)
        yield Trial(settings, database, judge, archive, Pace(1000.0, 0.0))
