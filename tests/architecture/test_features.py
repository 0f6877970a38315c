"""A feature is a folder and its line in built_in.py: nobody else knows its name, and without it the node runs."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from jinja2 import DictLoader, nodes

from miqa_node.built_in import FEATURES, places_of
from miqa_node.interfaces.web.html.environment import environment
from miqa_node.interfaces.web.page import PAGES
from tests.quick import in_gate

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "miqa_node" / "features"
SHELL = CHECKOUT / "miqa_node" / "interfaces" / "web"

LINK = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post)="(/[^"?#]*)')
LITERAL = re.compile(r""""([^"\n]*)"|'([^'\n]*)'|`([^`]*)`""")
MAIN = [sys.executable, "-c", "from miqa_node.interfaces.cli.app import main; main()"]
BESIDE = ("config", "migrations", "models")
"""Folders that the package expects beside it in a checkout."""
STAYING = ("__init__.py", "migrations", "tables.py")
"""What is left of a feature's folder: a node goes on migrating, erasing, retaining and backing up what it wrote."""
FEATURES_WITH_WAYS = [
    ("reader_study", "study", "/reader-studies"),
    ("retention", "retention", "/api/v1/holds"),
    ("audit", "audit", "/audit"),
    ("notices", "", "/account/notices"),
    ("accounts", "users", "/account"),
    ("operations", "deliveries", "/operations"),
    ("analysis", "analysis", "/analysis"),
    ("limits", "tune", "/tuning"),
    ("labels", "labels", "/readings"),
    ("phantoms", "phantoms", "/phantoms"),
    ("usual_ranges", "ranges", "/ranges"),
    ("models", "models", ""),
    ("backup", "backup", ""),
    ("reassess", "reassess", ""),
    ("mammogram_pairs", "", ""),
    ("events", "", ""),
]
"""Feature, its command if it has one, and a path of it."""


def feature_of(place: str) -> str:
    """The feature of a module; empty for one of the interfaces."""
    return place.split(".")[2] if place.startswith("miqa_node.features.") else ""


@cache
def addresses_of(feature: str) -> tuple[re.Pattern[str], ...]:
    """What the pages of a feature answer."""
    own = [PAGES.all()[name] for name, place in places_of("pages").items() if feature_of(place) == feature]
    return tuple(
        route.path_regex for page in own for route in page.router.routes if isinstance(route, APIRoute)
    )  # fmt: skip


def names_of(feature: str, seam: str) -> list[str]:
    """What it declares for a seam."""
    return [name for name, place in places_of(seam).items() if feature_of(place) == feature]


def texts_of(node: nodes.Node) -> Iterator[str]:
    """Each address in a template, values written as x."""
    if isinstance(node, nodes.Output):
        text = "".join(one.data if isinstance(one, nodes.TemplateData) else "x" for one in node.nodes)
        yield from LINK.findall(text)
    if isinstance(node, nodes.Const):
        yield str(node.value)
    for child in node.iter_child_nodes():
        yield from texts_of(child)


def constants_of(tree: ast.AST) -> Iterator[str]:
    """Each text of a module, values written as x, but for docstrings."""
    for node in ast.walk(tree):
        inside = node.values if isinstance(node, ast.JoinedStr) else ()
        if inside:
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "x" for one in inside)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and isinstance(child.value, str) and not isinstance(node, ast.Expr):
                yield child.value


@cache
def literals_in(path: Path) -> tuple[str, ...]:
    """The texts of a file, which stay the same for all features."""
    source = path.read_text("utf-8")
    if path.suffix == ".py":
        return tuple(constants_of(ast.parse(source)))
    if path.suffix == ".html":
        return tuple(texts_of(environment(DictLoader({}), "en").parse(source)))
    literals = (next(filter(None, one), "") for one in LITERAL.findall(source))
    return tuple(re.sub(r"\$\{[^}]*\}", "x", text) for text in literals)


def place_of(path: Path) -> str:
    """Where a file lies in the package."""
    return path.as_posix().rpartition("/miqa_node/")[2]


@cache
def others(feature: str) -> tuple[Path, ...]:
    """The files of the shell, and of all features but this one."""
    files = (path for folder in (FOLDER, SHELL) for path in folder.rglob("*") if path.suffix in {".py", ".html", ".js"})
    return tuple(path for path in files if "vendor" not in path.parts and not path.is_relative_to(FOLDER / feature))


def mentions(feature: str) -> Iterator[tuple[str, str]]:
    """Each file beside a feature that names it, and how."""
    files = [*names_of(feature, "pages"), *names_of(feature, "cards")]
    named = rf"features[./]{feature}\b" + (rf"|\b{feature}\b" if "_" in feature else "")
    patterns = [re.compile(named), re.compile(rf"[\"'/](?:{'|'.join(files) or '-'})/[\w/.]+\.(?:html|js|css)")]
    for path in others(feature):
        place = place_of(path)
        own = addresses_of(path.relative_to(FOLDER).parts[0]) if path.is_relative_to(FOLDER) else ()
        yield from ((place, hit[0]) for pattern in patterns if (hit := pattern.search(path.read_text("utf-8"))))
        for text in literals_in(path):
            address = re.split("[?#]", text)[0]
            if any(one.match(address) for one in addresses_of(feature)) and not any(one.match(address) for one in own):
                yield place, address


def without(feature: str, folder: Path) -> dict[str, str]:
    """The environment of a program whose package lacks the feature, but for its tables, which stay."""
    package = folder / "miqa_node"
    shutil.copytree(CHECKOUT / "miqa_node", package)  # with what Python compiled: compiling takes longer than running
    for path in (package / "features" / feature).iterdir():
        if path.name not in STAYING:
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    table = package / "built_in.py"
    lines = table.read_text("utf-8").splitlines(keepends=True)
    lines.remove(f'    "{feature}",\n')
    table.write_text("".join(lines), "utf-8")
    for name in BESIDE:
        (folder / name).symlink_to(CHECKOUT / name)
    return {**os.environ, "PYTHONPATH": str(folder), "MIQA_DICOM__HOST": "127.0.0.1", "MIQA_WORK__PROCESSES": "1"}


def get(address: str) -> tuple[int, str]:
    """Status and body of an answer."""
    try:
        with urllib.request.urlopen(address, timeout=60) as response:
            return int(response.status), response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""


def dead_links(web: str) -> list[str]:
    """Addresses that lead nowhere, among those on the first page and on the pages that it links to."""
    statuses, pages = dict[str, int](), {"/"}
    for _ in range(3):
        linked: set[str] = set()
        for path in sorted(pages - set(statuses)):
            statuses[path], body = get(f"{web}{path}")
            linked |= set(re.findall(r'(?:href|src)="(/[^"#?]*)', body))
        pages = linked
    assert len(statuses) > 10
    return [path for path, status in statuses.items() if status == HTTPStatus.NOT_FOUND]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("page.html", '<a href="/ranges/{{ one }}">x</a>'),
        ("page.html", '{% include "usual_ranges/note.html" %}'),
        ("page.js", "fetch(`/ranges/images/${digest}`)"),
        ("page.py", 'ADDRESS = f"/ranges/images/{digest}"'),
        ("page.py", 'NAME = "usual_ranges"'),
        ("page.html", '<script src="/static/usual_ranges/one.js"></script>'),
    ],
)
def test_a_name_is_seen(file: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / file).write_text(source)
    monkeypatch.setattr("tests.architecture.test_features.others", lambda _feature: [tmp_path / file])
    assert list(mentions("usual_ranges"))


@pytest.mark.more
@pytest.mark.parametrize(
    ("feature", "command", "path"),
    in_gate(FEATURES_WITH_WAYS, 4),
)
def test_a_feature_is_taken_out_with_its_folder_and_its_line(
    feature: str, command: str, path: str, tmp_path: Path
) -> None:
    assert not path or path in {
        route.path for page in PAGES.all().values() for route in page.router.routes if isinstance(route, APIRoute)
    }
    environment = without(feature, tmp_path / "code")
    if command:
        words = subprocess.run(
            [*MAIN, command, "--help"], check=False, env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert (words.returncode, f"No such command '{command}'" in words.stderr) == (2, True)
    with (tmp_path / "node.log").open("w") as log:
        node = subprocess.Popen(
            [*MAIN, "run", "--dicom-port", "0", "--web-port", "0", "--data-dir", str(tmp_path / "data")],
            env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert node.stdout is not None
    with node, node.stdout as output:
        try:
            assert output.readline().startswith("DICOM "), (tmp_path / "node.log").read_text("utf-8")
            web = re.search(r"http://\S+(?=/)", output.readline())
            assert web
            assert get(f"{web[0]}/readyz")[0] == HTTPStatus.OK
            assert not path or get(f"{web[0]}{path}")[0] == HTTPStatus.NOT_FOUND
            assert dead_links(web[0]) == []
        finally:
            node.send_signal(signal.SIGINT)
        assert node.wait(timeout=60) == 0


HOME = "worklist"


"""The feature with the node's first page, to which each page may link."""


RECOMMENDED = {
    ("accounts", "interfaces/web/access.py"),
    ("accounts", "interfaces/web/app.py"),
    ("analysis", "features/operations/command/series_checks.py"),
    ("backup", "features/operations/command/doctor.py"),
    ("labels", "features/models/command/choice.py"),
    ("models", "features/operations/command/doctor.py"),
    ("models", "features/operations/command/map_checks.py"),
    ("retention", "features/reassess/reassessment.py"),
}


"""Words to people that tell which command of a feature helps. Nothing is called by them."""


def recommendations(feature: str) -> Iterator[str]:
    """Each file beside a feature that names one of its commands to people."""
    commands = re.compile(rf"miqa-node (?:{'|'.join(names_of(feature, 'commands')) or '-'})\b")
    for path in others(feature):
        if commands.search(path.read_text("utf-8")):
            yield place_of(path)


@pytest.mark.more
@pytest.mark.parametrize("feature", [one for one in FEATURES if one != HOME])
def test_no_other_feature_names_it_in_python_html_or_javascript(feature: str) -> None:
    assert list(mentions(feature)) == []


@pytest.mark.more
def test_commands_of_other_features_are_only_recommended_where_it_is_known() -> None:
    places = {(feature, place) for feature in FEATURES if feature != HOME for place in recommendations(feature)}
    assert places == RECOMMENDED, "move the sentence to the feature, as a card; one that is not needed any more goes"
