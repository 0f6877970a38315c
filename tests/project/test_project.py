"""The project around the code: what is installed, what the make targets promise, and what ships."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from miqa_node import __version__
from tools.reach.changes import git

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = DOCUMENT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
GROUPS: dict[str, list[str]] = DOCUMENT["dependency-groups"]
OTHERS: list[dict[str, Any]] = [
    tomllib.loads(path.read_text("utf-8"))["project"] for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
]
"""The other distributions of this project."""


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = [line for line in text("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^ ;+]*", line) for line in lines)
    return dict(line.split("==") for line in lines)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))


def test_the_licence_is_the_whole_apache_licence() -> None:
    # The digest of https://www.apache.org/licenses/LICENSE-2.0.txt, which distributions ship byte for byte.
    digest = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == digest


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    pinned = pins()
    of_others = [extra for project in OTHERS for extra in project.get("optional-dependencies", {}).values()]
    added = [*EXTRAS.values(), *GROUPS.values(), *of_others]
    for line in [*PROJECT["dependencies"], *(line for lines in added for line in lines)]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[normal(requirement.name)]), line


def test_the_oldest_python_can_install_every_pinned_version() -> None:
    """Debian 12 has Python 3.11.2: a package that asks for 3.11.5 makes `make run` fail there."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    installed = {normal(one.name): one for one in distributions()}

    demands = {
        name: next(iter(installed[name].metadata.get_all("Requires-Python") or ()), "")
        for name in pins()
        if name in installed
    }
    refused = {name: demand for name, demand in demands.items() if oldest not in SpecifierSet(demand)}

    assert len(demands) > 100
    assert not refused


def test_what_runs_here_is_what_the_constraints_say() -> None:
    from importlib.metadata import PackageNotFoundError, version

    compared = 0
    for name, pinned in pins().items():
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
        # A plain `pip install` of a developer may be newer for tools; what computes must be what was tested.
        if name in {"numpy", "onnxruntime", "pydicom", "highdicom", "pynetdicom", "opencv-python-headless", "dbos"}:
            assert installed == pinned, f"{name} {installed} is installed, constraints.txt says {pinned}"
            compared += 1
    assert compared >= 6


def test_cpu_and_gpu_exclude_each_other_and_nothing_else_brings_onnxruntime() -> None:
    runtimes = {"onnxruntime", "onnxruntime-gpu"}
    packages_by_name = {
        extra: {Requirement(line).name for line in lines} & runtimes
        for extra, lines in {**EXTRAS, **GROUPS, "": PROJECT["dependencies"]}.items()
    }
    assert {extra: names for extra, names in packages_by_name.items() if names} == {
        "cpu": {"onnxruntime"},
        "gpu": {"onnxruntime-gpu"},
    }
    assert not {Requirement(line).name for line in PROJECT["dependencies"]} & {"torch", "scikit-learn"}


def test_make_lists_every_target() -> None:
    [names] = re.findall(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    phony = set(names.split())
    assert phony == targets()
    listed = make("help").stdout
    assert {line.split()[1] for line in listed.splitlines()} == targets()


def installs(planned: str) -> list[str]:
    """The lines of a dry run that install something."""
    return [line for line in planned.splitlines() if " pip " in line and " install " in line]


@pytest.mark.parametrize(("accelerator", "other"), [("cpu", "gpu"), ("gpu", "cpu")])
def test_setup_installs_one_onnxruntime(accelerator: str, other: str, tmp_path: Path) -> None:
    planned = make("--dry-run", "setup", f"ACCEL={accelerator}", f"VENV={tmp_path / 'venv'}").stdout
    assert f"[{accelerator},series,text,demo]" in planned
    assert f"[{other}," not in planned
    assert "torch" not in planned
    assert len(installs(planned)) == 3
    assert all("--constraint constraints.txt" in line for line in installs(planned))


def test_a_checkout_is_installed_by_its_path_and_holds_its_models_once(tmp_path: Path) -> None:
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["editable"]))
    files = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert files == ["_miqa_node.pth"]


def test_a_wrong_accelerator_or_python_is_named() -> None:
    assert 'ACCEL is "tpu"' in make("help", "ACCEL=tpu").stderr
    made = make("setup", "VENV=/nonexistent/venv", "PYTHON=false")
    assert made.returncode != 0
    assert "needs Python 3.11 or newer" in made.stderr


def test_the_gate_and_the_workflow_call_make_targets_that_exist() -> None:
    workflows = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    jobs = [job for workflow in workflows for job in workflow["jobs"].values()]
    steps = [step.get("run", "") for job in jobs for step in job["steps"]]
    hooks = [hook["entry"] for hook in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"][0]["hooks"]]
    called = {
        target
        for line in [text(".ci/run"), *steps, *hooks]
        for target in re.findall(r"\bmake (?:--[a-z-]+ )?([a-z-]+)\b", line)
        if target not in {"python", "and", "ca-certificates"}
    }
    assert {"test", "lint", "types", "layers", "docs", "demo", "test-all"} <= called <= targets()
    assert any(".ci/run" in step for step in steps)


def test_the_gate_stops_at_the_first_failure_and_ends_with_the_tests() -> None:
    script = text(".ci/run")
    assert "set -euo pipefail" in script
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=False).returncode == 0
    [body] = re.findall(r"^main\(\) \{\n(.*?)^\}", script, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"(?:^|; )(?:[A-Z]+=\S+ )?(?:twice )?(make [^;\n]*|install_\w+)", body, re.MULTILINE)
    assert commands[0] == "make setup"
    assert "test-all" in commands[-1]


def test_the_container_runs_as_nobody_special_and_says_how_it_is() -> None:
    stages = text("Dockerfile").split("\nFROM ")
    assert re.search(r"^USER miqa$", stages[-1], re.MULTILINE)
    assert "HEALTHCHECK" in stages[-1]
    assert "/readyz" in stages[-1]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", stages[1], re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name


def test_the_composition_splits_the_roles() -> None:
    composition = yaml.safe_load(text("docker-compose.yml"))
    services = composition["services"]
    [network] = composition["networks"]["outside"]["ipam"]["config"]
    assert services["web"]["environment"]["MIQA_WEB__TRUSTED_PROXIES"] == f'["{network["gateway"]}"]'
    assert f'["*@{network["gateway"]}"]' in services["receive"]["environment"]["MIQA_DICOM__ALLOWED_PEERS"]
    roles = {name: services[name]["command"] for name in ("receive", "work", "web")}
    assert all(command == ["run", "--role", name] for name, command in roles.items())
    for service in services.values():
        for dependency in service.get("depends_on", ()):
            assert dependency in services
    optional = {name for name, service in services.items() if service.get("profiles")}
    assert set(services) - optional == {"receive", "work", "web", "database"}


def test_the_version_is_semantic_and_has_a_place_in_the_changelog() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", __version__)
    changelog = text("CHANGELOG.md")
    assert f"\n## {__version__}\n" in changelog
    [newest] = re.findall(r"<!-- towncrier release notes start -->\n+(## .*?)(?:\n## |\Z)", changelog, re.DOTALL)
    assert len(newest.encode()) <= 12_288


KINDS = {kind["directory"] for kind in DOCUMENT["tool"]["towncrier"]["type"]}
NOTICED = ("docs/reference/cli*.md", "docs/reference/api.md", "docs/reference/configuration.md", "config/miqa.toml")
"""Who changes one of these changes what users type or read."""


def test_fragments_of_changes_become_a_section() -> None:
    fragments = [path for path in (ROOT / "changes").iterdir() if path.name not in {"README.md", ".template.md.jinja"}]
    wrong = [path.name for path in fragments if path.suffix != ".md" or path.stem.rpartition(".")[2] not in KINDS]
    assert wrong == [], f"changes/README.md says how they are called: NAME.{'|'.join(sorted(KINDS))}.md"
    build = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    section = " ".join(subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())
    assert [path.name for path in fragments if " ".join(path.read_text("utf-8").split()) not in section] == []


def test_a_change_that_users_notice_has_a_fragment() -> None:
    """Since the page of changes was written last."""
    last = git("log", "-1", "--format=%H", "--", "CHANGELOG.md")
    if not last or git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this history is too short")
    changed = git("diff", "--name-only", last, "--", *NOTICED).split()
    fragments = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]
    assert fragments or not changed, f"{', '.join(changed)} changed: say it in a file in changes/ (changes/README.md)"


def test_every_page_stands_in_the_table_of_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f" {page}\n" not in contents + "\n"] == []


def is_test(name: str) -> bool:
    """Whether ``tests/…/test_x.py`` or ``tests/…/test_x.py::test_y`` exists."""
    path, _, function = name.partition("::")
    file = ROOT / path
    return file.is_file() and (not function or f"def {function}(" in file.read_text("utf-8"))


def test_every_control_names_tests_that_exist() -> None:
    table = (
        (ROOT / "docs" / "reference" / "security.md")
        .read_text("utf-8")
        .partition("## Threats, controls, tests")[2]
        .partition("\n## ")[0]
    )
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row[-1])
        assert named, row[0]
        assert [name for name in named if not is_test(name)] == [], row[0]


def test_every_container_is_limited_and_only_the_loopback_is_published() -> None:
    composition = yaml.safe_load(text("docker-compose.yml"))
    assert composition["networks"]["storage"]["internal"] is True
    for name, service in composition["services"].items():
        assert service["mem_limit"], name
        assert service["pids_limit"] > 0, name
        addresses = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port) for port in service.get("ports", ())]
        assert all(address.startswith("127.0.0.1:") for address in addresses), name
    for name in ("database", "objects", "bucket"):
        assert composition["services"][name]["networks"] == ["storage"], name


LOCKS = ("build", "cpu", "gpu")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package of a lock."""
    packages: dict[str, tuple[str, int]] = {}
    for entry in re.split(r"\n(?=\S)", text(f"requirements/{name}.lock")):
        if match := re.match(r"([a-z0-9-]+)(?:\[[a-z,]+\])?==([^\s;]+)", entry):
            packages[match[1]] = (match[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)))
    return packages


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_the_versions_that_are_tested_each_with_its_hashes(name: str) -> None:
    pinned, packages = pins(), locked(name)
    assert packages
    assert {package: version for package, (version, _) in packages.items()} == {p: pinned[p] for p in packages}, (
        "run: make lock"
    )
    assert [package for package, (_, hashes) in packages.items() if not hashes] == []


@pytest.mark.parametrize("accelerator", ["cpu", "gpu"])
def test_the_container_installs_by_hashes_all_that_the_node_needs(accelerator: str) -> None:
    asked_for = [*PROJECT["dependencies"], *EXTRAS[accelerator], *EXTRAS["series"], *EXTRAS["text"]]
    names = {normal(Requirement(line).name) for line in asked_for}
    assert names - set(locked(accelerator)) == set(), "run: make lock"
    installs = re.findall(r"pip install (.*?)(?= *\\?\n| &&)", text("Dockerfile"))
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_images_and_actions_are_pinned_by_digest() -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", text("Dockerfile"), re.MULTILINE)
    images = {name: one["image"] for name, one in yaml.safe_load(text("docker-compose.yml"))["services"].items()}
    ours = {"receive", "work", "web"}
    unpinned = {name for name, image in images.items() if not re.search(r"@sha256:[0-9a-f]{64}$", image)} - ours
    assert unpinned == {"pacs"}, "Orthanc is only for trying"
    workflows = [path.read_text("utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    used = [action for one in workflows for action in re.findall(r"^ +- uses: (\S+)", one, re.MULTILINE)]
    assert len(workflows) == 2
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []


def test_every_promise_names_tests_that_exist() -> None:
    table = text("docs/explanation/reliability.md").partition("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row[-1])
        assert named, row[0]
        assert [name for name in named if not is_test(name)] == [], row[0]


@pytest.mark.more
def test_the_wheel_holds_what_an_installed_node_needs(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    share = "miqa_node/_share"
    needed = {f"{share}/config/miqa.toml", f"{share}/config/policy.toml", f"{share}/migrations/env.py"}
    needed |= {f"{share}/{path.relative_to(ROOT)}" for path in (ROOT / "models").glob("*/*") if path.is_file()}
    for pattern in (
        "**/*.html",
        "stages/report/templates/*.html",
        "features/*/migrations/*.py",
        "core/language/locale/*/LC_MESSAGES/*.po",
        "**/*.js",
    ):
        shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "miqa_node").glob(pattern)}
        assert shipped, f"nothing is where {pattern} looks"
        needed |= shipped
    assert needed <= names, needed - names
    assert not {name for name in names if name.startswith(("tests/", "docs/"))}


@pytest.mark.more
@pytest.mark.long
def test_the_list_of_parts_is_valid_and_names_what_computes(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="cyclonedx-bom is not installed")
    file = tmp_path / "parts.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable, "--validate", "-o", str(file)]
    subprocess.run([*command, "--pyproject", str(ROOT / "pyproject.toml")], check=True, capture_output=True)
    parts = json.loads(file.read_text("utf-8"))
    assert parts["bomFormat"] == "CycloneDX"
    assert parts["metadata"]["component"]["name"] == "miqa-node"
    assert {"pydicom", "numpy", "dbos"} <= {part["name"] for part in parts["components"]}


@pytest.mark.more
@pytest.mark.parametrize(("target", "last"), [("run", "setup-run"), ("test", "setup")])
def test_running_installs_less_and_testing_adds_to_it(target: str, last: str, tmp_path: Path) -> None:
    def steps(*targets: str) -> list[str]:
        planned = make("--dry-run", *targets, "ACCEL=cpu", f"VENV={tmp_path / 'venv'}").stdout
        return installs(planned)

    run, everything = steps("setup-run"), steps("setup")
    assert everything[: len(run)] == run
    assert [line.partition(" install ")[2] for line in everything[len(run) :]] == [
        "--no-compile --constraint constraints.txt --group dev --group docs"
    ]
    assert steps(target) == steps(last)
    assert steps("run", "test") == everything
