"""What the object network is told: devices that nobody drew are somewhere, images have an order, the rate stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from miqa_training.datasets import DatasetRecord, ObjectBox  # noqa: E402
from miqa_training.objects.data import (  # noqa: E402
    MAIN_DEVICES_OUTSIDE,
    SHARES,
    Drawing,
    ObjectExample,
    Reading,
    object_set,
    read_examples,
)
from miqa_training.objects.evaluate import (  # noqa: E402
    FEWEST_OF_KIND,
    NOTHING_FALSE,
    ExampleVerdict,
    alike,
    figures_of,
    removable_limit,
    two_sides,
)
from miqa_training.objects.export import grey_stem  # noqa: E402
from miqa_training.objects.fit import flat_of_share  # noqa: E402
from miqa_training.objects.loss import ObjectTargets, object_loss  # noqa: E402
from miqa_training.objects.network import ObjectNet  # noqa: E402
from miqa_training.objects.score import image_scores  # noqa: E402
from miqa_training.objects.variation import looks  # noqa: E402

QUIET = -5.0
SNAP = ObjectBox(kind="external_object", box=(0.1, 0.1, 0.2, 0.2), sure=True)
LEAD = ObjectBox(kind="monitoring", box=(0.5, 0.5, 0.6, 0.6), sure=True)


def example(
    *objects: ObjectBox, reading: Reading = Reading.EVERYTHING, devices: bool = False, source: str = "here"
) -> ObjectExample:
    record = DatasetRecord(
        path=Path("x.png"), source=source, licence="", patient="1", view="PA", notes="", objects=tuple(objects)
    )
    return ObjectExample(record, reading, devices)


def told(one: ObjectExample) -> ObjectTargets:
    pictures = object_set([one])
    return ObjectTargets(pictures.boxes, pictures.kind, pictures.sure, pictures.outside, pictures.somewhere)


def logits(plane: int | None = None, row: int = 8, column: int = 8) -> Tensor:
    values = torch.full((1, 3, 16, 16), QUIET)
    if plane is not None:
        values[0, plane, row : row + 3, column : column + 3] = 4.0
    return values


@pytest.mark.parametrize("plane", [1, 2])
def test_where_nobody_drew_the_devices_one_is_somewhere_and_nowhere_is_wrong(plane: int) -> None:
    undrawn = told(example(reading=Reading.PRESENCE, devices=True))
    assert float(object_loss(logits(plane), undrawn)[0]) < float(object_loss(logits(), undrawn)[0])
    assert float(object_loss(logits(0), undrawn)[0]) > float(object_loss(logits(), undrawn)[0]), "not the other map"


def test_beside_removable_objects_devices_may_be_anywhere() -> None:
    read = told(example(SNAP, reading=Reading.MAIN_DEVICES))
    assert float(object_loss(logits(1), read)[0]) == pytest.approx(float(object_loss(logits(), read)[0]), abs=1e-5)
    main = object_set([example(LEAD, reading=Reading.MAIN_DEVICES)])
    assert main.outside[0].tolist() == pytest.approx([1.0, MAIN_DEVICES_OUTSIDE, MAIN_DEVICES_OUTSIDE])


def test_each_kind_of_image_gets_its_share_of_a_batch() -> None:
    examples = [
        example(SNAP), example(SNAP, reading=Reading.MAIN_DEVICES), example(LEAD), example(LEAD), example(),
        example(reading=Reading.PRESENCE, devices=True),
    ]  # fmt: skip
    drawn = [one.drawing for one in examples]
    assert set(drawn) == set(Drawing)
    weight = object_set(examples).weight
    for kind, share in SHARES.items():
        total = sum(float(w) for w, one in zip(weight, drawn, strict=True) if one is kind)
        assert total == pytest.approx(share, rel=1e-5)


def test_a_device_at_the_same_place_lowers_what_an_image_scores() -> None:
    both = logits(0)
    both[0, 1, 8:11, 8:11] = 4.0
    elsewhere = logits(0)
    elsewhere[0, 1, 1:4, 1:4] = 4.0
    alone, at_it, beside = (float(image_scores(one)[0, 0]) for one in (logits(0), both, elsewhere))
    assert at_it < alone - 1.5
    assert beside == pytest.approx(alone, abs=0.05)
    assert float(image_scores(both)[0, 1]) > 4.0


def test_images_with_something_removable_are_to_score_higher_than_those_without() -> None:
    pictures = object_set([example(SNAP), example(LEAD)])
    targets = ObjectTargets(pictures.boxes, pictures.kind, pictures.sure, pictures.outside, pictures.somewhere)
    right, wrong = torch.cat([logits(0, 1, 1), logits(1)]), torch.cat([logits(), logits(0)])
    assert object_loss(right, targets)[1]["order"] < 0.1 < object_loss(wrong, targets)[1]["order"]


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [flat_of_share(0, share) for share in (0.0, 0.05, 0.5, 0.85, 0.925, 1.0)]
    assert rates[0] < 0.1
    assert rates[1:4] == pytest.approx([1.0, 1.0, 1.0])
    assert rates[4] == pytest.approx(0.5)
    assert rates[5] == 0.0


def test_a_stem_of_one_channel_gives_the_same_maps() -> None:
    torch.manual_seed(1)
    net = ObjectNet().eval()
    image = torch.rand(1, 1, 64, 96) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(net(image), grey_stem(net)(image), atol=1e-5)


def test_blades_and_curves_keep_pictures_in_range_and_are_drawn_again_alike() -> None:
    picture = torch.rand(6, 1, 128, 128, generator=torch.Generator().manual_seed(3))
    made = [looks(picture.clone(), 1.5, np.random.default_rng(4), torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*made)
    assert made[0].min() >= 0
    assert made[0].max() <= 1


def verdict(one: ObjectExample, score: float) -> ExampleVerdict:
    return ExampleVerdict(one, np.full((3, 8, 8), 0.01, np.float32), np.array([score, 0.0]))


def test_false_alarms_count_by_what_an_image_holds_not_by_what_was_drawn() -> None:
    undrawn = example(reading=Reading.PRESENCE, devices=True)
    judged = [
        verdict(undrawn, 5.0),
        verdict(example(LEAD), -5.0),
        verdict(example(), -5.0),
        verdict(example(SNAP), 6.0),
    ]
    sides = two_sides(judged, 1.0)["all"]
    assert (sides["devices_only"], sides["called_with_devices_only"]) == (2, 0.5)
    assert (sides["nothing"], sides["called_with_nothing"]) == (1, 0.0)
    figures = figures_of(judged)["all"]
    assert (figures["removable"], figures["devices_only"], figures["nothing"]) == (1, 2, 1)
    assert figures["auroc"] == 1.0, "by the images' scores, not by the maximum of a map"


def of_source(source: str, kind: tuple[ObjectBox, ...], scores: Iterable[float]) -> list[ExampleVerdict]:
    return [verdict(example(*kind, source=source), float(score)) for score in scores]


def test_a_limit_finds_most_beyond_what_it_calls_with_devices_only_each_source_alike() -> None:
    many = [*of_source("many", (SNAP,), np.linspace(2, 4, 300)), *of_source("many", (LEAD,), np.linspace(-4, 0, 300))]
    few = [*of_source("few", (SNAP,), [-1, 0.5, 1, 1.5, 5]), *of_source("few", (LEAD,), [-5, -4, -3, 0, 3])]
    clean = of_source("few", (), np.linspace(-6, -2, 100))
    judged = [*many, *few, *clean]
    limit = removable_limit(judged)
    assert limit == 0.5, "the 300 of one source would say 2"
    assert removable_limit(many) == 2.0
    sides = alike(judged, limit, np.random.default_rng(0))
    assert (sides["removable"], sides["devices_only"], sides["nothing"]) == (305, 305, 100)
    assert (sides["found"], sides["called_with_devices_only"], sides["called_with_nothing"]) == (0.9, 0.1, 0.0)
    low, high = sides["found_interval"]
    assert low < sides["found"] < high


def test_a_limit_calls_next_to_no_image_with_nothing() -> None:
    judged = [
        *of_source("here", (SNAP,), np.linspace(-2, 4, 50)),
        *of_source("here", (LEAD,), [-5] * 10),
        *of_source("here", (), [*np.linspace(-6, -3, 95), *np.linspace(0, 1, 5)]),
    ]
    sides = two_sides(judged, removable_limit(judged))["all"]
    assert 0.0 < sides["called_with_nothing"] <= NOTHING_FALSE
    assert sides["found"] < 1.0


def test_a_source_with_few_images_of_a_kind_says_nothing_of_it() -> None:
    of_one = [*of_source("here", (SNAP,), range(1, 9)), *of_source("here", (LEAD,), [-5] * 9)]
    stranger = of_source("there", (LEAD,), [9.0] * (FEWEST_OF_KIND - 1))
    assert removable_limit([*of_one, *stranger]) == removable_limit(of_one) == 1.0


@pytest.mark.shared
def test_images_that_choose_are_read_by_class_and_fit_nothing(shared_data: Path) -> None:
    examples = read_examples(shared_data)
    fitted = {one.record.path.resolve() for one in examples.fitting}
    assert not fitted & {one.record.path.resolve() for one in examples.choosing}
    assert len(examples.choosing) == 112
    assert sum(one.removable for one in examples.choosing) == 47
    assert sum(one.devices or one.record.has_device is True for one in examples.choosing if not one.removable) == 33
