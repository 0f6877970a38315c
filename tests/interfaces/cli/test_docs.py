"""The reference pages say everything that the program can do, and what is made from it is up to date."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from prometheus_client import Info
from prometheus_client.metrics import MetricWrapperBase
from rich.markup import render
from typer.main import get_command

from miqa_node.core.observe import metrics
from miqa_node.core.settings import Settings, share_dir
from miqa_node.features.worklist.api.worklist import WorklistQuery
from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.command import COMMANDS, Heading, commands_of
from miqa_node.interfaces.cli.exits import EXPLANATIONS, Exit
from tests.conftest import ROOT
from tests.peers.validators import DEFECTS
from tests.release import tell
from tests.web.staging import Stage
from tools.reference import ReferencePage, commands_page, configuration_page, reference

PAGES = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (PAGES / name).read_text("utf-8")


@pytest.mark.parametrize("name", list(ReferencePage))
def test_pages_that_are_made_are_up_to_date(name: ReferencePage, tmp_path: Path) -> None:
    if name is ReferencePage.CONFORMANCE:
        pytest.importorskip("highdicom", reason="the page is of a node with the extra [series]")
    file = tmp_path / "page.md"
    reference(name, file)

    if page(f"{name.value}.md") != file.read_text("utf-8"):
        tell([f"run: python -m tools.reference {name.value} --out docs/reference/{name.value}.md"])


def test_source_files_that_the_documentation_names_exist() -> None:
    named = {
        (page.name, path)
        for page in (ROOT / "docs").rglob("*.md")
        for path in re.findall(r"`((?:\w+/)+\w+\.py)`", page.read_text("utf-8"))
    }
    assert len(named) > 20
    assert [
        one
        for one in sorted(named)
        if not any((root / one[1]).exists() for root in (ROOT, ROOT / "miqa_node", *(ROOT / "packages").iterdir()))
    ] == []


def test_every_setting_has_a_default_with_a_comment_and_a_place_in_the_reference() -> None:
    defaults = (share_dir("config") / "miqa.toml").read_text("utf-8")
    configuration = configuration_page()

    for table, field in Settings.model_fields.items():
        for key in getattr(field.annotation, "model_fields", ()):  # the tables of sources are checked by the sources
            assert re.search(rf"^{key} = .+ # \S", defaults, re.MULTILINE), (
                f"config/miqa.toml does not explain {table}.{key}"
            )
            assert f"| `{table}.{key}` |" in configuration


def test_every_command_and_option_is_explained_and_in_the_reference() -> None:
    from typer.main import get_command

    from miqa_node.interfaces.cli.app import app

    text = "".join(map(commands_page, Heading))
    commands = dict(commands_of("miqa-node", get_command(app)))
    assert {"miqa-node run", "miqa-node worklist list", "miqa-node models check", "miqa-node doctor"} <= set(commands)
    for path, command in commands.items():
        assert f"`{path}`" in text
        assert command.help, path
        for parameter in command.params:
            if parameter.name != "help":
                assert parameter.help, f"{path}: {parameter.name}"
                assert parameter.metavar or getattr(parameter, "is_flag", False), f"{path}: {parameter.name}"


def test_every_command_of_the_documentation_exists_with_its_options() -> None:
    from typer.main import get_command

    from miqa_node.interfaces.cli.app import app

    commands = dict(commands_of("miqa-node", get_command(app)))
    options = {path: {name for p in one.params for name in p.opts} | {"--help"} for path, one in commands.items()}
    options["miqa-node evaluate"] = options["miqa-node evaluate report"]  # what evaluates when no other is named
    met, wrong = 0, []
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = file.read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r"^ *(?:[$#] )?(?:sudo .*|/\S+/)?(miqa-node [a-z].*)", text, re.MULTILINE):
            words = line.partition(" #")[0].split()
            path = max((" ".join(words[:n]) for n in (2, 3, 4) if " ".join(words[:n]) in options), default="", key=len)
            met += 1
            known_options = options.get(path, set())
            wrong += [
                f"{file.name}: {line}" for w in words if w.startswith("--") and w.split("=")[0] not in known_options
            ]
            wrong += [] if path else [f"{file.name}: {line}"]
    assert wrong == []
    assert met > 60


def test_every_exit_code_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Exit)


def test_every_metric_is_in_the_reference_and_no_other() -> None:
    documented = dict(re.findall(r"^\| `(miqa_\w+)` \| (\w+) \|", page("metrics.md"), re.MULTILINE))
    existing = {_published_name(metric): type(metric).__name__.lower() for metric in _metrics()}

    assert documented == existing


def test_every_metric_carries_the_prefix_and_its_documented_labels() -> None:
    rows = re.findall(r"^\| `(miqa_\w+)` \| \w+ \|([^|]*)\|", page("metrics.md"), re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}

    for metric in _metrics():
        if not isinstance(metric, Info):
            assert documented[_published_name(metric)] == set(metric._labelnames)


def test_every_key_of_the_line_of_an_image_is_in_the_reference() -> None:
    text = page("logging.md")
    tree = ast.parse((ROOT / "miqa_node" / "stages" / "conclusion" / "log_line.py").read_text("utf-8"))
    lines = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == "image"
    ]
    assert len(lines) == 1, "one canonical line per image"
    keys = [keyword.arg for keyword in lines[0].keywords if keyword.arg]
    assert len(keys) > 5
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_every_accepted_complaint_of_a_validator_is_listed_with_the_reason_and_no_other() -> None:
    listed = re.findall(r"^\| (\w+) \| `(.+)` \| (.+) \|$", page("results.md").split("## Checks")[1], re.MULTILINE)

    assert listed == [(one.tool, one.words, one.reason) for one in DEFECTS]
    assert all(re.search(r"PS3\.\d+ |Says what", one.reason) for one in DEFECTS)


def test_links_between_the_pages_lead_somewhere() -> None:
    for file in sorted(PAGES.glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+\.md)", file.read_text("utf-8")):
            assert (file.parent / target).is_file(), f"{file.name} → {target}"


def _metrics() -> list[MetricWrapperBase]:
    return [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]


def _published_name(metric: MetricWrapperBase) -> str:
    """The name as Prometheus shows it; the library keeps counters and infos without their endings."""
    (family,) = metric.describe()
    ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return f"{family.name}{ending}"


def test_no_help_text_loses_words_to_markup() -> None:
    """``deidentify --help`` said "where the extra  is installed": brackets are markup to the printer of help texts."""
    commands = list(commands_of("miqa-node", get_command(app)))
    assert "miqa-node deidentify" in dict(commands)
    texts = [
        (path, text)
        for path, command in commands
        for text in (command.help or "", *(getattr(one, "help", "") or "" for one in command.params))
    ]
    texts += [(name, command.help) for name, command in COMMANDS.all().items()]
    assert [(path, text) for path, text in texts if render(text).plain != text] == []
    assert [(path, text) for path, text in texts if any("  " in line.strip() for line in text.splitlines())] == []


@pytest.mark.more
def test_every_operation_and_filter_is_in_the_reference(stage: Stage) -> None:
    from miqa_node.interfaces.web.app import create_app

    text = page("api.md")
    paths = create_app(stage.services).openapi()["paths"]
    operations = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    tell(f"docs/reference/api.md does not name `{one}`" for one in operations if f"`{one}`" not in text)
    assert [name for name in WorklistQuery.model_fields if f"`{name}`" not in text] == []
