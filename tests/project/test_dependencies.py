"""What the node needs at run time is under a licence that a hospital can accept, and is documented with it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "dependencies.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0"),
    *("ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib"),
}
LESSER_GPL = {"LGPL", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later"}
MOZILLA = {"MPL-2.0"}
EXPLAINED = {"certifi", "psycopg", "psycopg-binary", "tqdm"}
"""Under the LGPL or MPL, used unchanged as separate packages; the page says what that asks of who passes a node on."""

SPDX = {  # how authors write a licence where they give no SPDX expression
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared_licence(package: Distribution) -> str:
    """The SPDX expression, else the classifiers, else the free text; empty when the package says nothing."""
    metadata: Any = package.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    if classifiers:  # of several, each may be for a part
        names = (line.split("::")[-1].strip() for line in classifiers if line != "License :: OSI Approved")
        return " AND ".join(SPDX.get(name, name) for name in names)
    text = str(metadata.get("License") or "").strip()
    return SPDX.get(text, text)


def acceptable(name: str, expression: str) -> bool:
    """Whether one alternative of the expression has only permissive parts, or explained LGPL and MPL ones."""
    allowed = PERMISSIVE | (LESSER_GPL | MOZILLA if name in EXPLAINED else set())
    return any(set(alternative.split(" AND ")) <= allowed for alternative in expression.split(" OR "))


def asked_for() -> list[Requirement]:
    """What the node itself asks for, with the extras of a container."""
    extras = PROJECT["optional-dependencies"]
    return [
        Requirement(line) for line in [*PROJECT["dependencies"], *extras["cpu"], *extras["series"], *extras["text"]]
    ]


def runtime_packages() -> dict[str, Distribution]:
    """Everything that the node of a container brings, with ONNX Runtime for CPUs, on this machine."""
    packages: dict[str, Distribution] = {}
    waiting = [one for one in asked_for() if one.marker is None or one.marker.evaluate()]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name = waiting.pop()
        key = (normal(name.name), frozenset(name.extras))
        if key in done:
            continue
        done.add(key)
        try:
            package = distribution(name.name)
        except PackageNotFoundError:
            if key[0] == "onnxruntime":  # its place is taken by the one for GPUs, under the same licence
                continue
            raise
        packages[key[0]] = package
        for line in package.requires or []:
            needed = Requirement(line)
            extras = ("", *name.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return packages


def tables() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Rows of the page's first two tables by package: range, licence, purpose; and licence, brought by."""
    direct, brought = PAGE.read_text("utf-8").split("## Asked for by those")
    return _rows(direct.split("## Asked for by the node")[1]), _rows(brought.split("\n## ")[0])


def _rows(text: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {line[0].strip("`"): [cell.strip("` ") for cell in line[1:]] for line in lines}


PACKAGES = runtime_packages()


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_licence_is_acceptable_and_as_documented(name: str) -> None:
    licence = declared_licence(PACKAGES[name])
    assert acceptable(name, licence), f"{name} is under {licence or 'no licence that it names'}"
    direct, brought = tables()
    documented = direct[name][1] if name in direct else brought[name][0]
    assert documented == licence


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-only",
        "GPL-2.0-or-later",
        "AGPL-3.0-only",
        "SSPL-1.0",
        "MIT AND GPL-3.0-only",
        "LGPL-3.0-only",
        "MPL-2.0",
        "GNU General Public License v3 (GPLv3)",
        "LicenseRef-Proprietary",
        "UNKNOWN",
        "",
    ],
)
def test_licences_that_bind_the_node_or_say_nothing_are_refused(licence: str) -> None:
    assert not acceptable("some-package", licence)


def test_a_choice_of_licences_may_be_taken() -> None:
    assert acceptable("some-package", "GPL-3.0-only OR MIT")
    assert acceptable("psycopg", "LGPL-3.0-only")


def test_the_page_lists_what_the_project_asks_for() -> None:
    direct, _ = tables()
    assert {name: SpecifierSet(row[0]) for name, row in direct.items()} == {
        normal(requirement.name): requirement.specifier for requirement in asked_for()
    }
    assert all(len(row) == 3 and row[2] for row in direct.values())


def test_the_page_lists_nothing_that_is_gone() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    direct, brought = tables()
    assert set(direct) | set(brought) <= pinned
    assert not set(direct) & set(brought)


def test_the_page_explains_every_package_under_the_lgpl_or_mpl() -> None:
    explanation = PAGE.read_text("utf-8").split("## Lesser GPL")[1]
    lesser = {name for name, package in PACKAGES.items() if declared_licence(package).startswith(("LGPL", "MPL"))}
    assert lesser == EXPLAINED
    assert all(f"`{name}`" in explanation for name in lesser)
