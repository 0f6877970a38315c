"""Paths of before the six storeys: the same module under both names, and one warning."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import pytest

from miqa_node import old_names

BEFORE = "miqa_node.domain"
SOME = [
    ("miqa_node.report.outputs.base", "Draft"),
    ("miqa_node.web.page", "Page"),
    ("miqa_node.domain.policy", "Verdict"),
]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No old name was asked for yet."""
    loaded = dict(sys.modules)
    _forget()
    yield
    _forget()
    sys.modules.update(loaded)


def _forget() -> None:
    """Of today's modules none: a table is declared once in a process."""
    for name in list(sys.modules):
        if name.startswith("miqa_node.") and old_names.new_name(name.removeprefix("miqa_node.")):
            del sys.modules[name]


@pytest.mark.parametrize(("module", "name"), SOME)
def test_a_class_is_the_same_by_both_names_and_the_new_one_is_named_once(
    module: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    now = "miqa_node." + old_names.new_name(module.removeprefix("miqa_node."))
    with caplog.at_level(logging.WARNING, old_names.__name__):
        assert import_module(module) is import_module(now)
        import_module(module)
        assert getattr(import_module(module), name) is getattr(import_module(now), name)
    assert [record.getMessage() for record in caplog.records] == [
        f"{module} is {now} now; plug-ins import what they need from miqa_node.api"
    ]


def test_a_module_is_found_in_its_old_folder() -> None:
    names: dict[str, object] = {}
    exec("from miqa_node.store import instances, tables", names)
    assert names["instances"] is import_module("miqa_node.stages.units.rows.instances")
    assert names["tables"] is import_module("miqa_node.runtime.store.tables")


def test_what_a_folder_gave_away_is_found_by_its_old_name() -> None:
    assert import_module("miqa_node.report").MadeObject is import_module("miqa_node.stages.report.made").MadeObject


def test_a_class_that_has_another_name_now_is_the_same_by_its_old_one() -> None:
    pool = import_module("miqa_node.runtime.workers.pool").WorkerPool
    assert import_module("miqa_node.imaging.decode").Decoder is pool


@pytest.mark.parametrize("old", [one for one in old_names.names() if not one.rpartition(".")[2].islower()])
def test_each_name_with_a_line_is_the_same_by_its_old_one(old: str) -> None:
    module, _, name = old.rpartition(".")
    now, _, name_now = old_names.names()[old].rpartition(".")
    assert getattr(import_module(f"miqa_node.{module}"), name) is getattr(import_module(f"miqa_node.{now}"), name_now)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("domain.policy", "decide decide_quality"),
        ("report.codes", "code_item code_sequence"),
        ("report.subject", "of_finding"),
        ("settings.files", "read_policy"),
        ("site", "make_private migrate monthly_report open_store"),
        ("web.html", "measurement percent render words"),
        ("web.site_time", "moment zone_name"),
    ],
)
def test_functions_that_went_to_other_modules_are_found_by_their_old_names(module: str, names: str) -> None:
    for name in names.split():
        assert callable(getattr(import_module(f"miqa_node.{module}"), name))


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_module("miqa_node.domain.no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_module("miqa_node.no_such_module")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = import_module(BEFORE).no_such_name


def test_every_old_name_leads_to_a_module_or_to_a_name_in_one() -> None:
    for new in map("miqa_node.{}".format, old_names.names().values()):
        place, _, name = new.rpartition(".")
        assert hasattr(import_module(place), name) or find_spec(new), new


@pytest.mark.more
def test_the_program_runs_as_a_module_by_its_old_name() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "miqa_node.cli", "--help"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "worklist" in process.stdout
