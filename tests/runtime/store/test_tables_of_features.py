"""A feature owns its tables; without its line they are migrated, erased, retained and backed up as before."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node import built_in
from miqa_node.plugins import own
from miqa_node.runtime.store import schema, tables
from tests.conftest import ROOT

PACKAGE = ROOT / "miqa_node"
OWNERS = [folder.name for folder in built_in.folders() if (folder / "tables.py").exists()]


@pytest.fixture
def no_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A node of which every feature's line was taken out."""
    monkeypatch.setattr(built_in, "FEATURES", ())
    tables.all_tables.cache_clear()
    yield
    tables.all_tables.cache_clear()


def test_without_their_lines_the_tables_and_migrations_of_features_stay(no_lines: None) -> None:
    assert built_in.places_of("commands").keys() == built_in.COMMANDS.keys(), "nothing else of them stays"
    declared = own("tables")
    assert {"reader_studies", "reader_study_images"} <= declared.keys()
    assert declared.keys() <= tables.all_tables().tables.keys()
    assert "0067e" in schema.revisions()


@pytest.mark.parametrize("feature", OWNERS)
def test_a_feature_names_each_table_that_it_has(feature: str) -> None:
    module = import_module(f"miqa_node.features.{feature}.tables")
    inside = {name: value for name, value in vars(module).items() if isinstance(value, sa.Table)}
    assert {name: value.name for name, value in inside.items()} == {name: name for name in inside}
    named = {name: f"{module.__name__}:{name}" for name in inside}
    assert named == {name: one for name, one in built_in.places_of("tables").items() if f".features.{feature}." in one}
    assert all(value.metadata is tables.all_tables() for value in inside.values())


@pytest.mark.parametrize("feature", OWNERS)
def test_no_table_of_a_feature_refers_to_one_of_another(feature: str) -> None:
    tables.all_tables()
    places = built_in.places_of("tables")
    of_others = {name for name, place in places.items() if f".features.{feature}." not in place}
    for name in places.keys() - of_others:
        referred = {key.column.table.name for key in tables.all_tables().tables[name].foreign_keys}
        assert not referred & of_others


def test_a_table_that_cannot_be_imported_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"lost": "miqa_node.features.reader_study.tables:lost"}
    monkeypatch.setattr("miqa_node.plugins.places_of", lambda _seam: places)
    with pytest.raises(AttributeError, match="lost"):
        own("tables")


@pytest.mark.parametrize("feature", OWNERS)
def test_tables_need_nothing_else_of_their_feature(feature: str) -> None:
    source = (PACKAGE / "features" / feature / "tables.py").read_text("utf-8")
    modules = {node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    below = ("__future__", "miqa_node.core.", "miqa_node.runtime.store.tables")
    assert [name for name in modules if not name.startswith(below)] == []


@pytest.mark.more
def test_whoever_loops_over_tables_asks_for_all_of_them() -> None:
    """``metadata`` itself has only what was imported by then."""
    looping = [str(path) for path in PACKAGE.rglob("*.py") if "tables" not in _names(path) and _uses_metadata(path)]
    assert looping == []


def _names(path: Path) -> set[str]:
    """Of the file and its folders, as far as the package."""
    return {*path.relative_to(PACKAGE).parent.parts, path.stem}


def _uses_metadata(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("miqa_node.runtime.store.tables"):
            takes_it = any(one.name == "metadata" for one in node.names)
        else:
            takes_it = isinstance(node, ast.Attribute) and ast.unparse(node) in ("t.metadata", "tables.metadata")
        if takes_it:
            return True
    return False
