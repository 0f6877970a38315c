"""What derives from a plain radiograph is not judged by rules for plain ones, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.derivation import DerivedReason
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.verdict import DERIVED, Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig

SMALL = "RG3_UNCR.dcm"
EVENT = {"IrradiationEventUID": "1.2.3.4.5"}
PLAIN: dict[str, Any] = EVENT | {
    "SOPInstanceUID": "1.2.3.1",
    "ImageType": ["ORIGINAL", "PRIMARY"],
    "PresentationIntentType": "FOR PRESENTATION",
}
BONE = PLAIN | {"SOPInstanceUID": "1.2.3.2", "ImageType": ["DERIVED", "PRIMARY", "BONE"]}
OTHER = PLAIN | {"SOPInstanceUID": "1.2.3.3", "ImageType": ["DERIVED", "PRIMARY"]}
FILM: dict[str, Any] = {"SOPInstanceUID": "1.2.3.5", "ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "DF"}
PAGES: dict[str, dict[str, Any]] = {
    "scanned": {"SOPInstanceUID": "1.2.3.6", "ConversionType": "SD"},
    "screen": {"SOPInstanceUID": "1.2.3.7", "ConversionType": "WSD", "ImageType": ["DERIVED", "SECONDARY"]},
    "dose page": {"SOPInstanceUID": "1.2.3.8", "ImageType": ["DERIVED", "SECONDARY", "", "SCREEN SAVE"]},
}
RAW = PLAIN | {"SOPInstanceUID": "1.2.3.4", "PresentationIntentType": "FOR PROCESSING"}


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    yield rig
    rig.database.close()


def _all(rig: Rig, samples: Path, *changes: dict[str, Any]) -> list[InstanceDigest]:
    digests = []
    for change in changes:
        digests.append(rig.receive(samples / SMALL, change))
        rig.queue.jobs.clear()
        rig.finish(digests[-1])
        for again in rig.queue.jobs:  # judged again
            rig.finish(again)
    return digests


@pytest.mark.parametrize(
    ("derived", "why"),
    [(BONE, DerivedReason.ENERGY), (OTHER, DerivedReason.OTHER), (RAW, DerivedReason.RAW)],
    ids=["bone", "derived", "raw"],
)
@pytest.mark.parametrize("is_last", [True, False], ids=["after the plain one", "before"])
def test_the_plain_image_is_judged_and_the_derived_one_says_of_which_it_derives(
    rig: Rig, samples: Path, derived: dict[str, Any], why: DerivedReason, is_last: bool
) -> None:
    changes = [PLAIN, derived] if is_last else [derived, PLAIN]
    digests = _all(rig, samples, *changes)
    plain, it = digests if is_last else digests[::-1]
    assert (rig.verdict(plain), rig.verdict(it)) == (Verdict.REVIEW, Verdict.NOT_ASSESSED)
    with rig.database.begin() as transaction:
        disposition, image = instances.load_disposition(transaction, it), history.of_instance(transaction, it)
        counted = transaction.execute(sa.select(tables.acquisitions.c.digest)).scalars().all()
        assert history.of_instance(transaction, plain).derived_from is None
        item = worklist.show(transaction, image.instance.header.study_instance_uid)
    assert disposition is not None
    assert not disposition.flagged
    assert [(reason.name, reason.text) for reason in disposition.reasons] == [(DERIVED, why)]
    assert image.assessment is not None
    assert image.assessment.measurements
    assert image.derived_from == "1.2.3.1"
    assert counted == [plain]
    assert [one.digest for one in item.images] == [plain]
    assert item.state is WorklistState.OPEN


@pytest.mark.more
def test_a_derived_or_raw_image_alone_is_judged_as_it_was_unless_it_says_what_it_shows(rig: Rig, samples: Path) -> None:
    for change, verdict in ((OTHER, Verdict.REVIEW), (RAW, Verdict.REVIEW), (BONE, Verdict.NOT_ASSESSED)):
        number = change["SOPInstanceUID"]
        alone = change | {"IrradiationEventUID": f"{number}.7", "StudyInstanceUID": f"{number}.8"}
        [digest] = _all(rig, samples, alone)
        assert rig.verdict(digest) is verdict
    with rig.database.begin() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(tables.acquisitions)).scalar_one() == 3


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_kept_as_a_radiograph_is_none_and_a_digitised_film_is_one(
    rig: Rig, samples: Path, name: str
) -> None:
    page, film = _all(rig, samples, PAGES[name], FILM)
    assert (rig.verdict(page), rig.verdict(film)) == (Verdict.NOT_ASSESSED, Verdict.REVIEW)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, page)
        counted = transaction.execute(sa.select(tables.acquisitions.c.digest)).scalars().all()
    assert disposition is not None
    assert not disposition.flagged
    assert [(reason.name, reason.text) for reason in disposition.reasons] == [(DERIVED, DerivedReason.PAGE)]
    assert counted == [film]


@pytest.mark.more
def test_a_derived_image_whose_file_is_gone_is_decided_again_by_its_stored_assessment(rig: Rig, samples: Path) -> None:
    [derived] = _all(rig, samples, OTHER)
    assert rig.verdict(derived) is Verdict.REVIEW
    with rig.database.begin() as transaction:
        key = instances.load(transaction, derived).object_key
        values = {"removed_at": datetime.now(UTC), "removal_cause": RemovalCause.AGE.value}
        of = tables.instances
        transaction.execute(sa.update(of).where(of.c.digest == derived).values(**values))
    rig.objects.local_path(key).unlink()
    [plain] = _all(rig, samples, PLAIN)
    assert (rig.verdict(plain), rig.verdict(derived)) == (Verdict.REVIEW, Verdict.NOT_ASSESSED)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, derived)
        counted = transaction.execute(sa.select(tables.acquisitions.c.digest)).scalars().all()
    assert disposition is not None
    assert [(reason.name, disposition.flagged) for reason in disposition.reasons] == [(DERIVED, False)]
    assert counted == [plain]
