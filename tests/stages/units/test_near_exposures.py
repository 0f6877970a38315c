"""Which images of a study may show one exposure, by the statement that is compiled once."""

from __future__ import annotations

from typing import Any

from miqa_node.runtime.store.database import Database
from miqa_node.stages.units.rows import exposures, instances
from tests.runtime.store.making import NOW, digest, header, received, study


def test_each_sign_of_an_exposure_finds_the_image_and_nothing_else_does(database: Database) -> None:
    signs: list[dict[str, Any]] = [
        {"irradiation_event_uids": ("1.9.1", "1.9.2"), "acquired_at": NOW.replace(tzinfo=None), "is_acquired_at": True},
        {"irradiation_event_uids": ("1.9.2",)},
        {"acquired_at": NOW.replace(tzinfo=None)},
        {"source_instance_uid": "1.2.3.0"},
        {"irradiation_event_uids": ("1.9.22",), "source_instance_uid": "1.2.3.77"},
        {"study": 2, "irradiation_event_uids": ("1.9.1",)},
        {"modality": "DX", "irradiation_event_uids": ("1.9.1",)},
    ]
    with database.begin() as transaction:
        for number, values in enumerate(signs):
            image = header(number, **values)
            instances.record(transaction, image, study(values.get("study", 1)), received(digest(number)), f"{number}")
        near = [exposures.near(transaction, instances.load(transaction, digest(number))) for number in (0, 3, 4)]
    assert [{one.digest for one in images} for images in near] == [
        {digest(1), digest(2), digest(3)},
        {digest(0)},
        set(),
    ]
