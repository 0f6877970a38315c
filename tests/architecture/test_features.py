"""A feature is a folder and its line in built_in.py: no other feature, nor the shell of the web, knows its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from jinja2 import DictLoader, nodes

from miqa_node.built_in import places_of
from miqa_node.interfaces.web.html.environment import environment
from miqa_node.interfaces.web.page import PAGES

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "miqa_node" / "features"
SHELL = CHECKOUT / "miqa_node" / "interfaces" / "web"

LINK = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post)="(/[^"?#]*)')
LITERAL = re.compile(r""""([^"\n]*)"|'([^'\n]*)'|`([^`]*)`""")


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
