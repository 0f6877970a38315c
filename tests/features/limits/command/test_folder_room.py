"""``tune --from``: a folder is one room; ``assess --limits`` judges as in it, or as in one that has learned nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import FileDataset

from miqa_node.core.domain.finding import NAME_PATTERN
from miqa_node.core.domain.room import RoomState
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_node.features.limits.command.folder_room import learned_folder
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.room_file import (
    FlaggedImages,
    LearnedLimit,
    RoomFile,
    TriedDefect,
    read_room_file,
    toml_of,
)
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.web.test_predict import quiet
from tests.stages.assess.making import chest_dataset, write_package

LEARN_IMAGES = 50
POLICY = """
version = "p1"
[[rule]]
finding = "all"
then = "ACCEPT"
evidence = "card"
[[rule]]
measurement = "noise_share"
above = 1.5
then = "REVIEW"
reason = "noise"
severe = 90
evidence = "site"
[[rule]]
measurement = "displayed_contrast"
below = 5
then = "REVIEW"
reason = "contrast_processing"
evidence = "site"
"""
ROOM = RoomFile(
    policy="p1", package="quality", version="1.0.0", state="learned", images=61, budget=0.02, found=0.812,
    flagged=FlaggedImages(images=64, always=3, before=40, after=5), left_out={"unreadable": 2, "other_rules": 3},
    limit=(LearnedLimit(what="noise", limit=0.61, kind="strength"),),
    defect=(TriedDefect(name="noise", simulated=20, by_policy=12, with_limits=11),),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def learning() -> Iterator[None]:
    """Other tests say that rooms never learn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIQA_POLICY__LEARN_IMAGES", str(LEARN_IMAGES))
        yield


def chest(number: int, grain: float) -> FileDataset:
    """Smooth but for its grain; no two of the same station."""
    dataset, y = chest_dataset(number), np.linspace(-1, 1, 300)[:, None]
    x, rng = np.linspace(-1, 1, 240)[None], np.random.default_rng(number)
    dataset.StationName, (dataset.Rows, dataset.Columns) = f"ROOM{number}", (300, 240)
    shown = 3000 * np.exp(-2 * x**2 - y**2) + 300 + rng.normal(0, grain, (300, 240))
    dataset.PixelData = np.clip(shown, 0, 4095).astype(np.uint16).tobytes()
    return dataset


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings with a small but real package that finds nothing, and a policy of measurements."""
    folder = tmp_path_factory.mktemp("site")
    write_package(folder / "models/quality-1.0.0", "1.0.0", "quality", **quiet())
    (folder / "policy.toml").write_text(POLICY)
    file = folder / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{folder / "node"}"\n[assess]\nshipped_packages = false\n'
        f'models_dir = "{folder / "models"}"\n[policy]\nfile = "{folder / "policy.toml"}"\n'
    )
    return file


@pytest.fixture(scope="module")
def grainy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images that are all somewhat noisy, by the policy."""
    folder = tmp_path_factory.mktemp("grainy")
    for number in range(LEARN_IMAGES + 2):
        chest(number, 55 + number / 5).save_as(folder / f"{number}.dcm")
    return folder


@pytest.fixture(scope="module")
def limits(config: Path, grainy: Path) -> Path:
    """What that folder teaches."""
    file = config.parent / "limits.toml"
    file.write_text(learned_folder(load_settings(config), grainy, ("DX", "", "")).text)
    return file


def verdicts(ran: Ran) -> list[str]:
    assert ran.code == Exit.OK, ran.err
    return [line["verdict"] for line in ran.lines]


def test_limits_of_a_folder_flag_what_they_say_and_no_image_of_another_kind_of_rule(
    cli: Callable[..., Ran], config: Path, grainy: Path, limits: Path
) -> None:
    room, others = read_room_file(limits), sorted(grainy.iterdir())
    assert (room.state, room.images, room.lacking) == ("learned", LEARN_IMAGES + 2, 0)
    assert ("noise_share", "measurement") in [(one.what, one.kind) for one in room.limit]
    assert room.flagged.after is not None
    assert room.flagged.after <= room.budget * room.images < room.flagged.before
    [noise] = [one for one in room.defect if one.name == "noise"]
    assert noise.by_policy == 0, "it flags all anyway"
    assert noise.simulated >= noise.with_limits >= noise.simulated - 2

    before = verdicts(cli("assess", *others, "--json", "--config", config))
    after = verdicts(cli("assess", *others, "--json", "--limits", limits, "--config", config))

    assert before.count("REVIEW") == room.flagged.before
    assert after.count("REVIEW") == room.flagged.after


def test_a_room_that_has_learned_nothing_holds_what_it_will_learn(
    cli: Callable[..., Ran], config: Path, grainy: Path
) -> None:
    held = cli("assess", grainy / "51.dcm", "--json", "--limits", "learning", "--config", config).json

    assert held["verdict"] == "NOT_ASSESSED"
    assert held["reasons"][0].endswith(f"held while this room learns: counts after {LEARN_IMAGES} more images.")


def test_what_teaches_nothing_is_counted_and_few_images_go_on_learning(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "images", tmp_path / "limits.toml"
    folder.mkdir()
    for number in range(3):
        chest(number, 60).save_as(folder / f"{number}.dcm")
    shutil.copy(folder / "0.dcm", folder / "again.dcm")
    tested, flat = chest(7, 60), chest(8, 60)
    tested.QualityControlImage = "YES"
    tested.save_as(folder / "tested.dcm")
    flat.PixelData = np.full((300, 240), 1000, np.uint16).tobytes()
    flat.save_as(folder / "flat.dcm")
    knee = chest(9, 60)
    knee.BodyPartExamined = "KNEE"
    knee.save_as(folder / "knee.dcm")
    (folder / "page.dcm").write_text("<html>")
    (folder / "note.txt").write_text("no image")

    made = cli("tune", "--from", folder, "--out", out, "--json", "--config", config)

    assert made.code == Exit.FAILED, "as of assess: a file could not be read, the others teach"
    assert "1 of the files could not be read" in made.err
    assert (made.json["state"], made.json["images"], made.json["lacking"]) == ("learning", 4, LEARN_IMAGES - 4), (
        "a flagged one, too"
    )
    assert "after" not in made.json["flagged"]
    left_out = made.json["left_out"]
    assert (left_out["repeated"], left_out["unreadable"], left_out["no_image"]) == (1, 1, 1)
    assert left_out["test_object"] == 1
    assert left_out["not_judged"] == 1
    look = read_room_file(out).site_limits.everywhere
    assert look is not None
    assert (look.state, look.lacking) == (RoomState.LEARNING, LEARN_IMAGES - 4)

    shown = cli("tune", "--from", folder, "--out", out, "--config", config).out
    assert f"The room still learns: {LEARN_IMAGES - 4} more images are needed." in shown
    assert "left out: 1, could not be read" in shown
    held = cli("assess", folder / "0.dcm", "--limits", out, "--config", config).out
    assert f"counts after {LEARN_IMAGES - 4} more images" in held


def test_how_many_images_teach_and_the_budget_are_settings(
    cli: Callable[..., Ran], config: Path, grainy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "images", tmp_path / "limits.toml"
    folder.mkdir()
    for number in range(3):
        shutil.copy(grainy / f"{number}.dcm", folder)
    monkeypatch.setenv("MIQA_POLICY__LEARN_IMAGES", "4")
    monkeypatch.setenv("MIQA_POLICY__ROOM_BUDGET", "0.07")
    made = cli("tune", "--from", folder, "--out", out, "--json", "--config", config)
    assert (made.json["lacking"], made.json["budget"]) == (1, 0.07)
    held = cli("assess", folder / "0.dcm", "--json", "--limits", "learning", "--config", config).json
    assert "counts after 4 more images" in held["reasons"][0]

    monkeypatch.setenv("MIQA_POLICY__LEARN_IMAGES", "0")
    for words in (("tune", "--from", folder, "--out", out), ("assess", folder, "--limits", "learning")):
        ran = cli(*words, "--config", config)
        assert ran.code == Exit.USAGE
        assert "policy.learn_images is 0" in ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "IN"), "--from and --out go together"),
        (("--out", "OUT"), "--from and --out go together"),
        (("--from", "IN", "--out", "OUT", "--quick"), "with no other option than --budget"),
        (("--from", "IN", "--out", "OUT", "--show", "1"), "with no other option than --budget"),
        (("--from", "IN", "--out", "OUT", "--budget", "60%"), "a budget lies above 0"),
        (("--from", "IN", "--out", "IN/none/limits.toml"), "for limits.toml does not exist"),
        (("--from", "IN", "--out", "OUT"), "There are no images in"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_writes_nothing(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "in").mkdir()
    places = {"IN": str(tmp_path / "in"), "OUT": str(tmp_path / "limits.toml")}
    named = [word.replace("IN", places["IN"]).replace("OUT", places["OUT"]) for word in words]

    ran = cli("tune", *named, "--config", config)

    assert ran.code == Exit.USAGE
    assert says in " ".join(ran.err.replace("│", " ").split())
    assert not (tmp_path / "limits.toml").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('version = "p1"\n', "has no limits of a room; `miqa-node tune --from` writes such files."),
        (ROOM.text.replace("format = 1", "format = 2"), "has format 2, and this version reads 1"),
        (ROOM.text.replace("limit = 0.61", "limit = nan"), "limit.0.limit"),
        (ROOM.text.replace('kind = "strength"', 'kind = "size"'), "limit.0.kind"),
        (ROOM.text.replace('what = "noise"', 'what = "Rauschen"'), "limit.0.what"),
        (ROOM.text + "colour = 1\n", "defect.0.colour: colour is not known here."),
        ("format = ", "cannot be read as TOML"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_limits_is_named(
    cli: Callable[..., Ran], config: Path, grainy: Path, tmp_path: Path, text: str | None, says: str
) -> None:
    file = tmp_path / "limits.toml"
    if text is not None:
        file.write_text(text)

    ran = cli("assess", grainy / "0.dcm", "--limits", file, "--config", config)

    assert ran.code == Exit.USAGE
    assert says in ran.err
    assert ran.out == ""


def test_limits_of_another_policy_or_package_are_told(
    cli: Callable[..., Ran], config: Path, grainy: Path, tmp_path: Path
) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(ROOM.text)
    assert "was made with" not in cli("assess", grainy / "0.dcm", "--limits", file, "--config", config).err

    file.write_text(ROOM.model_copy(update={"policy": "p0", "version": "0.9.0"}).text)
    ran = cli("assess", grainy / "0.dcm", "--limits", file, "--config", config).err

    assert "limits.toml was made with policy p0; policy p1 is in force. Make it again." in ran
    assert "limits.toml was made with package quality-0.9.0; package quality-1.0.0 is in force." in ran


word = st.text(max_size=12)
count = st.integers(0, 10**6)


@given(
    st.builds(
        RoomFile, policy=word, package=word, version=word, state=st.sampled_from(["learned", "learning"]),
        images=count, lacking=count, budget=st.floats(0, 1), found=st.none() | st.floats(0, 1),
        flagged=st.builds(FlaggedImages, images=count, always=count, before=count, after=st.none() | count),
        told=st.lists(word, max_size=3).map(tuple),
        left_out=st.dictionaries(st.sampled_from(["unreadable", "repeated"]), count),
        limit=st.lists(
            st.builds(
                LearnedLimit, what=st.from_regex(NAME_PATTERN, fullmatch=True),
                 limit=st.floats(allow_nan=False, allow_infinity=False),
                kind=st.sampled_from(["strength", "score", "measurement"]),
            ), max_size=3,
        ).map(tuple),
        defect=st.lists(
            st.builds(TriedDefect, name=word, simulated=count, by_policy=count, with_limits=count), max_size=3
        ).map(tuple),
    )
)  # fmt: skip
def test_the_file_says_what_was_learned(tmp_path_factory: pytest.TempPathFactory, room: RoomFile) -> None:
    file = tmp_path_factory.getbasetemp() / "round.toml"
    file.write_text(room.text, encoding="utf-8", newline="")

    again = read_room_file(file)

    assert again == room
    assert again.site_limits.label == room.site_limits.label


def test_other_limits_have_another_name() -> None:
    changed = ROOM.model_copy(update={"limit": (LearnedLimit(what="noise", limit=0.62, kind="strength"),)})

    assert ROOM.site_limits.label.startswith("folder-")
    assert changed.site_limits.label != ROOM.site_limits.label
    assert ROOM.model_copy(update={"state": "learning"}).site_limits.label == "learning"
    with pytest.raises(SettingsError):
        read_room_file(Path("nowhere.toml"))
    assert toml_of({"text": 'a "b"\n\\'}) == 'text = "a \\"b\\"\\n\\\\"\n'
