"""The file of a room that learned from a folder, and the option of commands that judge by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import Field, ValidationError

from miqa_node.core.domain.finding import NAME_PATTERN, FindingName
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.settings import Settings
from miqa_node.core.settings.files import read_toml
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.wrong_values import where_and_what
from miqa_node.errors import NotFoundError, SettingsError
from miqa_node.interfaces.cli.site_choice import choice_of, site_limits_of
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.package_checks import package_label
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.sidecars import sidecar_folder

FORMAT = 1
LEARNING = RoomState.LEARNING.value
HEAD = (
    "# What a room learned: miqa-node tune --from FOLDER --out FILE. Judge by it: miqa-node assess PATH --limits FILE\n"
)

LimitsOption = Annotated[
    str,
    typer.Option(
        "--limits", metavar="FILE|learning",
        help="Judge all images as of one room: with what `tune --from` wrote, or one that has learned nothing yet.",
    ),
]  # fmt: skip

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class LearnedLimit(Section):
    """From where on a rule flags: a strength (0 to 1), the score of an unusual image (0 to 1), or a measured value."""

    what: Annotated[str, Field(pattern=NAME_PATTERN)]
    limit: Annotated[float, Field(allow_inf_nan=False)]
    kind: Literal["strength", "score", "measurement"]


class TriedDefect(Section):
    """How many defects of one kind were simulated on the room's images, and how many are found."""

    name: str
    simulated: Count
    by_policy: Count
    with_limits: Count


class FlaggedImages(Section):
    """Of how many judged images; ``always``: by rules that no room learns. ``after`` is missing while it learns."""

    images: Count
    always: Count
    before: Count
    after: Count | None = None


class RoomFile(Section):
    """What one room learned from a folder, whatever the headers of its images say.

    ``images`` taught it, and ``lacking`` more are needed while it learns. ``package`` and ``version`` judged them, and
    its limits are about no other package. ``told`` names what most images show, so that it is the room's and not an
    image's. ``left_out`` counts files that taught nothing, by reason.
    """

    format: Literal[1] = 1
    policy: str
    package: str
    version: str
    state: Literal["learned", "learning", "provisional"]
    """*provisional* in files that earlier versions wrote."""
    images: Count
    lacking: Count = 0
    budget: Share
    found: Share | None = None
    told: tuple[str, ...] = ()
    flagged: FlaggedImages
    left_out: dict[str, Count] = Field(default_factory=dict)
    limit: tuple[LearnedLimit, ...] = ()
    defect: tuple[TriedDefect, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The keys and values of the file, without those that say nothing."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def text(self) -> str:
        """The file."""
        return HEAD + toml_of(self.document)

    @property
    def site_limits(self) -> SiteLimits:
        """The limits, for all images."""
        look = RoomLook(Place(), RoomState(self.state), self.images, self.lacking, self.found)
        if look.learns:
            return SiteLimits(name=LEARNING, everywhere=look)
        place = Place(self.package)
        limits = [RoomLimit.at(place, FindingName(one.what), one.limit, replaces=False) for one in self.limit]
        name = f"folder-{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"
        return SiteLimits(limits=tuple(limits), everywhere=look, name=name)


def toml_of(document: Mapping[str, Any]) -> str:
    """A document of values, tables of values and lists of such tables as TOML; what is empty is left out.

    >>> print(toml_of({"a": 1, "limit": [{"what": "noise", "limit": 0.5}], "left": {"none": 0}}), end="")
    a = 1
    <BLANKLINE>
    [left]
    none = 0
    <BLANKLINE>
    [[limit]]
    what = "noise"
    limit = 0.5
    """
    tables = [(f"[{key}]", value) for key, value in document.items() if value and isinstance(value, dict)]
    lists = {key: value for key, value in document.items() if isinstance(value, list) and _has_tables(value)}
    tables += [(f"[[{key}]]", value) for key, values in lists.items() for value in values]
    values = {key: value for key, value in document.items() if key not in lists and not isinstance(value, dict)}
    plain = {key: value for key, value in values.items() if value != []}
    return "\n".join(f"{head}\n{_lines(of)}" if head else _lines(of) for head, of in [("", plain), *tables])


def _has_tables(values: list[Any]) -> bool:
    return any(isinstance(value, dict) for value in values)


def _lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # all that JSON allows and TOML does not


def read_room_file(path: Path) -> RoomFile:
    """The content of a file that ``tune --from`` wrote; SettingsError if it is another, or of another format."""
    document = read_toml(path)
    if "format" not in document or "state" not in document:
        raise SettingsError(
            "{file} has no limits of a room; `miqa-node tune --from` writes such files.", file=path.name
        )
    if document["format"] != FORMAT:
        raise SettingsError(
            "{file} has format {given}, and this version reads {format}: write it again with `miqa-node tune --from`.",
            file=path.name,
            given=document["format"],
            format=FORMAT,
        )
    try:
        return RoomFile.model_validate(document)
    except ValidationError as error:
        raise SettingsError("{file}: {errors}", file=path.name, errors=where_and_what(error.errors())) from error


def limits_of(wish: str, settings: Settings) -> SiteLimits:
    """The limits to judge by: of a file, or of a room that learns; by default the site's own.

    Limits of another package or policy are told on the error stream.
    """
    if not wish:
        return site_limits_of(settings)
    if wish == LEARNING:
        look = RoomLook(Place(), RoomState.LEARNING, lacking=settings.policy.images_to_learn())
        return SiteLimits(name=LEARNING, everywhere=look)
    room = read_room_file(Path(wish))
    in_force = {
        f"policy {room.policy}": f"policy {read_policy(settings.policy_file).version}",
        f"package {room.package}-{room.version}": f"package {_label_in_force(settings, room.package)}",
    }
    for made_with, now in in_force.items():
        if made_with != now:
            typer.echo(f"{Path(wish).name} was made with {made_with}; {now} is in force. Make it again.", err=True)
    return room.site_limits


def _label_in_force(settings: Settings, package: str) -> str:
    """``<name>-<version>`` of the package of this name that judges; of the quality package if there is none."""
    folder = chosen_package(settings, choice_of(settings))
    label = package_label(folder) if folder is not None else "none"
    if not package or label.rpartition("-")[0] == package:
        return label
    try:
        return package_label(sidecar_folder(settings.model_folders, package))
    except NotFoundError:
        return label
