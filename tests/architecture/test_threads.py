"""Every thread of the node is watched, or does one thing and ends: both are started in one module."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "miqa_node"
MAKES_THREADS = frozenset({"Thread", "Timer", "ThreadPoolExecutor"})
REASONS = {
    "core/observe/steady_thread.py": "the one place",
    "stages/deliver/lane.py": "a lane is a thread; the thread of all lanes, which is watched, starts it again",
    "stages/deliver/work.py": "a pool that lives within one look of a watched thread",
    "stages/assess/assessor.py": "a pool that lives within the judging of one image",
    "stages/receive/rows/promises.py": "a pool that lives within the look at the objects of one request",
    "stages/assess/session.py": "ends a run of a graph that takes too long",
    "stages/deliver/http_request.py": "ends an answer that takes too long",
    "stages/deliver/retrieval.py": "ends an answer without end",
    "interfaces/cli/run_node.py": "ends the process if it does not end by itself",
}


def thread_makers() -> set[str]:
    """Modules that make threads of their own: by a call, or by a class that is one."""
    modules = set()
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if any(name in source for name in MAKES_THREADS) else ():
            made = [node.func] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
            if any(getattr(one, "attr", getattr(one, "id", "")) in MAKES_THREADS for one in made):
                modules.add(str(path.relative_to(PACKAGE)))
    return modules


def test_threads_are_made_in_one_place() -> None:
    assert thread_makers() == set(REASONS)
