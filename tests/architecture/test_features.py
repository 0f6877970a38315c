"""A feature is a folder and its line in built_in.py: without them the node runs, and lacks only that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from jinja2 import DictLoader, nodes

from miqa_node.built_in import FEATURES, places_of
from miqa_node.interfaces.web.html.environment import environment
from miqa_node.interfaces.web.page import PAGES

CHECKOUT = Path(__file__).resolve().parents[2]


HOME = "worklist"
"""The feature with the node's first page, to which each page may link."""
LINK = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post)="(/[^"?#]*)')


def asked_for(node: nodes.Node) -> str:
    """The name in ``has_page("name")``; empty for anything else."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "has_page":
        return str(node.args[0].as_const())
    return ""


def links_of(node: nodes.Node, guards: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """Each address in a template, values written as x, and the pages that the template asked for before."""
    if isinstance(node, nodes.Output):
        text = "".join(one.data if isinstance(one, nodes.TemplateData) else "x" for one in node.nodes)
        yield from ((address, guards) for address in LINK.findall(text))
    if isinstance(node, nodes.Const) and str(node.value).startswith("/"):  # a value that becomes an address
        yield re.split("[?#]", node.value)[0], guards
    inside = guards
    if isinstance(node, nodes.If | nodes.CondExpr):
        inside |= set(filter(None, map(asked_for, (node.test, *node.test.find_all(nodes.Call)))))
    for child in node.iter_child_nodes():
        then = node.body if isinstance(node, nodes.If) else [getattr(node, "expr1", None)]
        yield from links_of(child, inside if any(child is one for one in then) else guards)


@cache
def links_in(template: Path) -> tuple[tuple[str, frozenset[str]], ...]:
    """The links of a template, which stay the same for all features."""
    return tuple(links_of(environment(DictLoader({}), "en").parse(template.read_text("utf-8"))))


def feature_of(place: str) -> str:
    """The feature of a module; empty for one of the interfaces."""
    return place.split(".")[2] if place.startswith("miqa_node.features.") else ""


@pytest.mark.parametrize("feature", [one for one in FEATURES if one != HOME])
def test_other_templates_ask_for_the_pages_of_a_feature_before_they_link_to_them(feature: str) -> None:
    """With data, a node shows links that the pages of an empty one do not have."""
    places = places_of("pages")
    own = {name: PAGES.all()[name] for name, place in places.items() if feature_of(place) == feature}
    package = CHECKOUT / "miqa_node"
    for path in package.rglob("*.html"):
        if path.is_relative_to(package / "features" / feature):
            continue
        for address, guards in links_in(path):
            answering = {
                name for name, page in own.items() for route in page.router.routes
                if isinstance(route, APIRoute) and route.path_regex.match(address)
            }  # fmt: skip
            assert not answering or answering & guards, f"{path.name} links to {address}"
