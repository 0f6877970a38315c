"""Seams: what is installed beside the node is found, and what is broken is said and stops nothing."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from miqa_node import __version__, built_in, plugins
from miqa_node.core.observe.log import log_plugins
from miqa_node.errors import NotFoundError
from miqa_node.interfaces.web.page import Page
from miqa_node.plugins import Seam

CHECKOUT = Path(__file__).parents[2]
FOLDERS = [path.parent.name for path in (CHECKOUT / "miqa_node/features").glob("*/__init__.py")]
ENTRY_POINTS = """\
[miqa.numbers]
one = {name}_numbers:ONE
wrong = {name}_numbers:WORD
gone = {name}_missing:ONE
needs = {name}_needs:ONE
fails = {name}_fails:ONE
old = {name}_old:ONE
"""


def distribution(folder: Path, name: str, *, api: int | None = 1) -> None:
    """Install a distribution with good and broken plug-ins of the seam "numbers", as pip would lay it out."""
    module = name.replace("-", "_")
    info = folder / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS.format(name=module))
    content = "" if api is None else f"miqa_api = {api}\n"
    (folder / f"{module}_numbers.py").write_text(f"{content}ONE = 1\nWORD = 'one'\n")
    (folder / f"{module}_needs.py").write_text(f"{content}import no_such_library\n")
    (folder / f"{module}_old.py").write_text(f"{content}from miqa_node.domain.policy import Verdict\n")
    (folder / f"{module}_fails.py").write_text(f"{content}ONE = 1 / 0\n")


def tables_of(feature: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The tables of a feature: of whichever name in capitals."""
    for name, table in vars(import_module(f"miqa_node.features.{feature}")).items():
        if name.isupper():
            yield name.lower(), table


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    plugins.allow(plugins.EVERYTHING)
    for module in [name for name in sys.modules if name.startswith(("miqa_dose", "miqa_node_training", "miqa_other"))]:
        del sys.modules[module]


def reasons(seam: Seam[int]) -> dict[str, str]:
    return {one.name: one.unavailable for one in seam.plugins()}


def test_a_broken_plugin_is_unavailable_with_its_reason_and_the_others_work(site: Path) -> None:
    distribution(site, "miqa-dose")
    seam = Seam("numbers", int)
    assert dict(seam.all()) == {"one": 1}
    plugin_reasons = reasons(seam)
    assert plugin_reasons["one"] == ""
    assert plugin_reasons["wrong"] == "miqa_dose_numbers:WORD is not a int."
    assert plugin_reasons["gone"] == "The module miqa_dose_missing is not installed."
    assert plugin_reasons["needs"] == "The module no_such_library is not installed."
    assert plugin_reasons["old"] == (
        "This node has no module miqa_node.domain; plug-ins import what they need from miqa_node.api."
    )
    assert "ZeroDivisionError" in plugin_reasons["fails"]
    assert {(one.distribution, one.version) for one in seam.plugins()} == {("miqa-dose", "1.2")}
    with pytest.raises(NotFoundError, match="no_such_library is not installed"):
        seam.get("needs")
    with pytest.raises(NotFoundError, match="unknown; installed: one"):
        seam.get("two")


@pytest.mark.parametrize(("api", "message"), [(None, "has no miqa_api"), (2, "was written for miqa_api = 2")])
def test_a_plugin_of_another_api_is_not_loaded(site: Path, api: int | None, message: str) -> None:
    distribution(site, "miqa-dose", api=api)
    seam = Seam("numbers", int)
    assert not seam.all()
    assert message in reasons(seam)["one"]


def test_the_allow_list_leaves_out_what_it_does_not_name(site: Path) -> None:
    distribution(site, "miqa-dose")
    seam = Seam("numbers", int)
    plugins.allow(["miqa-other"])
    assert not seam.all()
    assert reasons(seam)["one"] == "plugins.allow leaves it out."
    plugins.allow(["miqa-dose:numbers.o*"])
    assert dict(seam.all()) == {"one": 1}
    assert reasons(seam)["fails"] == "plugins.allow leaves it out."


def test_a_name_belongs_to_the_first_that_takes_it(site: Path) -> None:
    distribution(site, "miqa-dose")
    distribution(site, "miqa-other")
    seam = Seam("numbers", int)
    second = next(one for one in seam.plugins() if one.distribution == "miqa-other" and one.name == "one")
    assert second.unavailable == "The name is taken by miqa-dose."


def seam_of_dose(folder: Path) -> None:
    """A distribution that opens the seam "numbers" itself, and has a plug-in of a seam that nobody opens."""
    distribution(folder, "miqa-dose")
    file = folder / "miqa_dose-1.2.dist-info" / "entry_points.txt"
    file.write_text(
        file.read_text() + "[miqa.seams]\nnumbers = miqa_dose_seam:NUMBERS\n[miqa.moons]\nio = miqa_dose:IO\n"
    )
    (folder / "miqa_dose_seam.py").write_text(
        "from miqa_node.plugins import Seam\nmiqa_api = 1\nNUMBERS = Seam('numbers', int)\n"
    )


def test_what_others_add_is_listed_with_its_origin_and_the_reason_why_it_is_unavailable(site: Path) -> None:
    seam_of_dose(site)
    plugins.allow(["miqa-dose", "miqa-listed"])
    states = {f"{one.seam}.{one.name}": one.unavailable for one in plugins.of_others()}
    assert states["numbers.one"] == ""
    assert states["numbers.needs"] == "The module no_such_library is not installed."
    assert states["moons.io"] == "This node has no such seam."


def test_a_start_logs_each_plugin_with_distribution_and_version(site: Path) -> None:
    seam_of_dose(site)
    plugins.allow(["miqa-dose", "miqa-logged"])
    with capture_logs() as lines:
        log_plugins()
    origin = {"distribution": "miqa-dose", "version": "1.2"}
    assert {"event": "plug-in loaded", "log_level": "info", "seam": "numbers", "plugin": "one", **origin} in lines
    assert any(line["event"] == "plug-in unavailable" and line["plugin"] == "fails" for line in lines)


def test_every_plugin_of_the_node_itself_can_be_used() -> None:
    """A new seam needs its line in built_in.py."""
    own = [f"{one.seam}.{one.name}: {one.unavailable}" for one in plugins.of_others() if one.built_in]
    assert own == []


def test_the_node_has_no_entry_points_and_each_table_is_in_the_order_of_its_names() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "entry-points" not in project
    assert {*built_in.OWN, *built_in.FOUND} == {"seams", *plugins.SEAMS.all()}
    assert list(built_in.FEATURES) == sorted(FOLDERS)
    tables = [*built_in.OWN.values(), *(table for feature in built_in.FEATURES for _, table in tables_of(feature))]
    assert [list(table) for table in tables] == [sorted(table) for table in tables]


def test_a_feature_names_a_seam_by_its_table_and_takes_no_name_of_another() -> None:
    names = [(seam, name) for feature in built_in.FEATURES for seam, table in tables_of(feature) for name in table]
    names += [(seam, name) for seam, table in built_in.OWN.items() for name in table]
    of_others = {"phantom_measures"}  # all are of another distribution
    assert {seam for seam, _ in names} == {*built_in.OWN, *built_in.STAYING} - of_others
    assert sorted(names) == sorted(set(names))


def test_entry_points_of_this_project_come_first_and_need_no_consent(site: Path) -> None:
    distribution(site, "miqa-dose")
    distribution(site, "miqa-node-training", api=None)
    plugins.allow([])
    seam = Seam("numbers", int)
    assert dict(seam.all()) == {"one": 1}
    own = seam.plugins()[0]
    assert (own.name, own.distribution, own.built_in) == ("fails", "miqa-node-training", True)
    assert {one.unavailable for one in seam.plugins() if not one.built_in} == {"plugins.allow leaves it out."}


def test_a_feature_without_its_line_is_gone_and_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = [name for name in Seam("pages", Page).all() if name != "reader_study"]
    features = tuple(name for name in built_in.FEATURES if name != "reader_study")
    monkeypatch.setattr(built_in, "FEATURES", features)
    seam = Seam("pages", Page)
    assert list(seam.all()) == rest
    assert {(one.built_in, one.version, one.unavailable) for one in seam.plugins()} == {(True, __version__, "")}


def test_an_own_part_that_fails_is_listed_and_its_name_stays_its_own(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(site, "miqa-dose")
    monkeypatch.setattr(built_in, "OWN", {"numbers": {"one": "miqa_node.no_such_module:ONE"}})
    seam = Seam("numbers", int)
    own, other = (one for one in seam.plugins() if one.name == "one")
    assert own.built_in
    assert own.unavailable == (
        "This node has no module miqa_node.no_such_module; plug-ins import what they need from miqa_node.api."
    )
    assert other.unavailable == "The name is taken by miqa-node."
    assert not seam.all()
