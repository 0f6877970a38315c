"""What differs by kind of object is in ``units``: no other module asks for a SOP class or modality."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "miqa_node"
KIND_NAMES = frozenset({"modality", "Modality", "sop_class_uid", "SOPClassUID"})
KIND_TESTS = frozenset({"is_image", "is_projection", "is_run", "is_slice", "is_slide", "is_own"})
MODALITIES = frozenset({"CR", "CT", "DX", "IO", "MG", "MR", "NM", "PT", "PX", "RF", "RG", "XA"})
ANY_OF_THEM = re.compile("|".join([*sorted(KIND_NAMES | KIND_TESTS), *(f'"{one}":' for one in sorted(MODALITIES))]))
OTHERS = {
    "features/mammogram_pairs/rows.py": "the whole feature is about one kind, whose images it asks for",
    "dicom/pixels/grayscale.py": "an exception of the standard: the Modality LUT of some classes (PS3.3 C.8.7.1.1.2)",
    "features/phantoms/files.py": "reads files of the kinds that may show phantoms, as a node does",
    "features/phantoms/stack.py": "no value of an MR signal is below zero",
    "stages/assess/phantom_kind.py": "the phantoms of CT are others than those of MR",
    "core/words/image_title.py": "titles of series need their description, those of radiographs do not",
    "core/words/codes.py": "the codes of procedures, which a report repeats",
    "stages/report/outputs/enhanced.py": "completes a module of the object that it makes, which has the source's class",
    "stages/report/sr_library.py": "the meanings of modalities, which a report repeats",
    "stages/units/rows/series.py": "chooses among results of the node, not among received objects",
}
"""Where such a test is something else, with the reason."""


def kind_tests(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each comparison with a fixed kind, table by modality, and import of a test of ``units``."""
    for node in ast.walk(ast.parse(source)) if ANY_OF_THEM.search(source) else ():
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is_kind(one) for one in sides) and any(_is_fixed(one) for one in sides):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            chooses = node.func.attr in ("in_", "not_in", "startswith") and _is_kind(node.func.value)
            if chooses and any(_is_fixed(argument) for argument in node.args):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Dict):
            keys = {one.value for one in node.keys if isinstance(one, ast.Constant)}
            if keys & MODALITIES:
                yield node.lineno, f"a table by {', '.join(sorted(map(str, keys)))}"
        elif isinstance(node, ast.Match) and _is_kind(node.subject):
            yield node.lineno, f"match {ast.unparse(node.subject)}"
        elif isinstance(node, ast.ImportFrom) and node.module == "miqa_node.stages.units.kinds":
            yield from ((node.lineno, one.name) for one in node.names if one.name in KIND_TESTS)


def _is_kind(node: ast.expr) -> bool:
    """``header.modality``, ``modality``, ``ds["Modality"]``, ``str(ds.get("SOPClassUID"))`` and the like."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in KIND_NAMES
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=name), *_]):
            return name in KIND_NAMES
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            return _is_kind(inner)
        case ast.Subscript(slice=ast.Constant(value=name)):
            return name in KIND_NAMES
    return False


def _is_fixed(node: ast.expr) -> bool:
    """Literals, collections of them, and names of constants or of UIDs of pydicom; the empty string names no kind."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, str) and value != ""
        case ast.Tuple(elts=elements) | ast.Set(elts=elements) | ast.List(elts=elements):
            return any(_is_fixed(one) for one in elements)
        case ast.Call(func=ast.Name(), args=[inner]):  # sorted(…), frozenset(…)
            return _is_fixed(inner)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_").isupper() or name.endswith("Storage")
    return False


def test_no_module_outside_units_tests_the_kind_of_an_object() -> None:
    tests = {
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not _is_allowed(path.relative_to(PACKAGE))
        for line, text in kind_tests(path.read_text(encoding="utf-8"))
    }
    assert tests == set()


def test_each_exception_is_needed() -> None:
    for place in OTHERS:
        files = [PACKAGE / place] if place.endswith(".py") else (PACKAGE / place).rglob("*.py")
        assert any(list(kind_tests(path.read_text(encoding="utf-8"))) for path in files), place


@pytest.mark.parametrize(
    "smuggled",
    [
        'if header.modality == "MG": pass',
        'if header.modality in ("CR", "DX"): pass',
        "if header.modality in MODALITIES_WITH_VIEW: pass",
        'if str(ds.get("Modality", "")) != "SR": pass',
        "if ds.SOPClassUID == CTImageStorage: pass",
        'query = images.c.modality.in_(("CT", "MR"))',
        'if header.sop_class_uid.startswith("1.2.840.10008.5.1.4.1.1.2"): pass',
        'pauses = {"CT": 5.0, "MR": 20.0}',
        "from miqa_node.stages.units.kinds import is_slice",
    ],
)
def test_a_smuggled_test_is_seen(smuggled: str) -> None:
    assert list(kind_tests(smuggled))


def _is_allowed(path: Path) -> bool:
    return path.parts[:2] == ("stages", "units") or path.parts[0] in OTHERS or str(path) in OTHERS
