"""A site after two months for page tests: the busy one if it was made here, else a small one, in a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from demo.site.kept import copied, made, place_of
from demo.site.making import settings_of
from demo.site.people import PASSWORD
from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import objects_of
from tests.web.serving import serving

MAX_PIXELS = 10**8


@dataclass(frozen=True)
class MadeSite:
    """Its address, and what a test asks of its database."""

    address: str
    database: Database

    def flagged(self) -> dict[str, str]:
        """Each flagged study with the first reason of its worst image, newest first."""
        of = tables.dispositions.c
        query = sa.select(of.study_instance_uid, of.reasons).where(of.flagged).order_by(of.decided_at.desc())
        with self.database.begin() as transaction:
            rows = transaction.execute(query).all()
        kinds: dict[str, str] = {}
        for study, reasons in rows:
            kinds.setdefault(study, next((one["name"] for one in reasons), ""))
        return kinds

    def one_of_each_kind(self) -> list[str]:
        """A flagged study for each first reason."""
        return list({kind: study for study, kind in self.flagged().items()}.values())

    def first(self, query: Any) -> str:
        """The only value that a statement selects first."""
        with self.database.begin() as transaction:
            return str(transaction.execute(query).scalars().first())


@contextmanager
def served_site(folder: Path) -> Iterator[MadeSite]:
    """Its pages on a port of their own."""
    site = copied(place_of("busy") if place_of("busy").exists() else made("small"), folder)
    settings = settings_of(site)
    with closing(Database(settings.database_url)) as database:
        services = WebServices(database, objects_of(settings), settings, list, decode=_decode)
        with serving(services) as address:
            yield MadeSite(address, database)


def _decode(path: Path, frame: int = 0) -> Radiograph:
    """In this process: these objects harm nobody."""
    decoded = decode_frame(path, frame, MAX_PIXELS)
    return Radiograph(decoded.stored, decoded.display, decoded.stored_range, decoded.spacing_mm, decoded.valid)


def sign_in(page: Any, name: str = "ada") -> None:
    """As one of the people of the site."""
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
