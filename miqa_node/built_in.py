"""The plug-ins of the node itself, by name, as ``module:object``.

This is the node's table of contents. What a feature has for each seam stands in its own folder, in ``__init__.py``
(:data:`FEATURES`), and measurements are found in their folders (:data:`MEASUREMENTS`); everything else stands here. A
feature without its line, or a part without its own, is gone, and the rest works without it; its tables stay
(:data:`STAYING`). Modules are imported on first use of their seam (plugins.py); other distributions have entry points
(docs/how-to/extend.md). What is listed is in the order of its names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

FEATURES = (
    "accounts",
    "analysis",
    "audit",
    "backup",
    "events",
    "labels",
    "limits",
    "mammogram_pairs",
    "models",
    "notices",
    "operations",
    "phantoms",
    "pilot",
    "policy",
    "reader_study",
    "reassess",
    "retention",
    "usual_ranges",
    "worklist",
)
"""Folders of ``features``. Each has a table for each seam that it uses, such as ``PAGES``, with places inside it."""

STAYING = ("tables",)
"""What a feature has without its line, too: the node migrates, erases, retains and backs up what it has written."""

SEAMS = {
    "cards": "miqa_node.interfaces.web.card:CARDS",
    "commands": "miqa_node.interfaces.cli.command:COMMANDS",
    "destinations": "miqa_node.stages.deliver.kinds.base:DESTINATIONS",
    "effects": "miqa_node.stages.conclusion.effects:EFFECTS",
    "gauges": "miqa_node.stages.conclusion.gauge:GAUGES",
    "measurements": "miqa_node.core.domain.measurand:MEASUREMENTS",
    "model_contracts": "miqa_node.stages.assess.contracts.base:CONTRACTS",
    "outputs": "miqa_node.stages.report.outputs.base:OUTPUTS",
    "pages": "miqa_node.interfaces.web.page:PAGES",
    "parts": "miqa_node.parts:PARTS",
    "sources": "miqa_node.stages.receive.sources.base:SOURCES",
    "taxonomies": "miqa_node.core.taxonomy.base:TAXONOMIES",
    "units": "miqa_node.stages.units.base:UNITS",
}

COMMANDS = {
    "assess": (
        "miqa_node.interfaces.cli.assess:assess | images 5 | Assess images at once and print the results; slices "
        "of CT, MR and PET as series, each with one result."
    ),
    "enhance": "miqa_node.interfaces.cli.enhance:enhance | images 6 | Write an enhanced copy of an image.",
    "migrate": (
        'miqa_node.interfaces.cli.migrate:migrate | maintain 2 | Create or update the database tables; "run" does'
        " this too."
    ),
    "run": (
        "miqa_node.interfaces.cli.run_node:run | maintain 0 | Receive, assess, report and deliver until Ctrl-C or"
        " SIGTERM."
    ),
    "send": (
        "miqa_node.interfaces.cli.send:send | images 7 | Send DICOM files over C-STORE or STOW-RS, or copy them "
        "to a folder."
    ),
}

PAGES = {
    "capabilities": "miqa_node.interfaces.dicomweb.capabilities:PAGE",
    "frames": "miqa_node.interfaces.dicomweb.frames:PAGE",
    "look": "miqa_node.interfaces.web.pages.look.router:PAGE",
    "pictures": "miqa_node.interfaces.web.pages.pictures.router:PAGE",
    "policy": "miqa_node.interfaces.web.pages.policy.router:PAGE",
    "predict": "miqa_node.interfaces.web.rest.predict:PAGE",
    "qido": "miqa_node.interfaces.dicomweb.qido:PAGE",
    "stow": "miqa_node.interfaces.dicomweb.stow:PAGE",
    "wado": "miqa_node.interfaces.dicomweb.wado:PAGE",
}

PARTS = {
    "better_copies": "miqa_node.stages.units.work.better_copies:PART",
    "destinations": "miqa_node.stages.deliver.work:PART",
    "patient_settings": "miqa_node.stages.receive.work:PART",
    "series": "miqa_node.stages.units.work.series:PART",
    "web": "miqa_node.interfaces.web.part:PART",
}

SOURCES = {
    "cstore": "miqa_node.stages.receive.sources.cstore:KIND",
    "folder": "miqa_node.stages.receive.sources.folder:KIND",
    "rest": "miqa_node.stages.receive.sources.rest:KIND",
}

UNITS = {
    "note": "miqa_node.stages.units.note:UNIT",
    "other": "miqa_node.stages.units.other:UNIT",
    "projection": "miqa_node.stages.units.projection:UNIT",
    "series": "miqa_node.stages.units.series:UNIT",
    "unplaced": "miqa_node.stages.units.unplaced:UNIT",
}

MEASUREMENTS = (
    "miqa_node.stages.assess.landmarks.measurands",
    "miqa_node.stages.assess.text.measurand",
    "miqa_node.stages.measure",
)
"""Where measurements are found: each that a module, or one in the folders of a package, declares is one."""

MODEL_CONTRACTS = {
    "measurements": "miqa_node.stages.assess.contracts.measurements:MEASUREMENTS",
    "plain_image": "miqa_node.stages.assess.contracts.plain_image:PLAIN_IMAGE",
    "series": "miqa_node.stages.assess.contracts.series:SERIES",
    "two_branch": "miqa_node.stages.assess.contracts.two_branch:TWO_BRANCH",
}

TAXONOMIES = {
    "built_in": "miqa_node.core.taxonomy.lookup:BUILT_IN",
}

OUTPUTS = {
    "AIRAI": "miqa_node.stages.report.outputs.airai:OUTPUT",
    "ENHANCED": "miqa_node.stages.report.outputs.enhanced:OUTPUT",
    "GSPS": "miqa_node.stages.report.outputs.gsps:OUTPUT",
    "KOS": "miqa_node.stages.report.outputs.kos:OUTPUT",
    "PDF": "miqa_node.stages.report.outputs.pdf:OUTPUT",
    "REJECTION": "miqa_node.stages.report.outputs.rejection:OUTPUT",
    "SC": "miqa_node.stages.report.outputs.sc:OUTPUT",
    "SC_J2K": "miqa_node.stages.report.outputs.sc_j2k:OUTPUT",
    "SC_RLE": "miqa_node.stages.report.outputs.sc_rle:OUTPUT",
    "SEG": "miqa_node.stages.report.outputs.seg:OUTPUT",
    "SEG_FRACTIONAL": "miqa_node.stages.report.outputs.seg_fractional:OUTPUT",
    "SEG_LABELMAP": "miqa_node.stages.report.outputs.seg_labelmap:OUTPUT",
    "SEG_LUNGS": "miqa_node.stages.report.outputs.seg_lungs:OUTPUT",
    "SR": "miqa_node.stages.report.outputs.sr:OUTPUT",
    "SR_FULL": "miqa_node.stages.report.outputs.sr_full:OUTPUT",
}

DESTINATIONS = {
    "cstore": "miqa_node.stages.deliver.kinds.cstore:KIND",
    "folder": "miqa_node.stages.deliver.kinds.folder:KIND",
    "stow": "miqa_node.stages.deliver.kinds.stow:KIND",
    "webhook": "miqa_node.stages.deliver.kinds.webhook:KIND",
}

EFFECTS = {
    "deliver": "miqa_node.stages.conclusion.deliver:KIND",
    "derived_images": "miqa_node.stages.conclusion.derived_images:KIND",
    "log_line": "miqa_node.stages.conclusion.log_line:KIND",
    "metric": "miqa_node.stages.conclusion.metric:KIND",
    "person_statement": "miqa_node.stages.conclusion.person_statement:KIND",
    "series_verdict": "miqa_node.stages.conclusion.series_verdict:KIND",
    "shadow": "miqa_node.stages.conclusion.shadow:KIND",
    "standing_flag": "miqa_node.stages.conclusion.standing_flag:KIND",
}

GAUGES = {
    "damages": "miqa_node.stages.conclusion.gauge:DAMAGES",
    "deliveries": "miqa_node.stages.conclusion.gauge:DELIVERIES",
    "images": "miqa_node.stages.conclusion.gauge:IMAGES",
}

OWN: Mapping[str, Mapping[str, str]] = {
    "seams": SEAMS,
    "cards": {},  # what the shell shows by itself is no guest
    "commands": COMMANDS,
    "pages": PAGES,
    "parts": PARTS,
    "sources": SOURCES,
    "units": UNITS,
    "model_contracts": MODEL_CONTRACTS,
    "taxonomies": TAXONOMIES,
    "outputs": OUTPUTS,
    "destinations": DESTINATIONS,
    "effects": EFFECTS,
    "gauges": GAUGES,
    "past_rooms": {},  # limits of rooms have the one
    "phantom_measures": {},  # all are of packages/miqa-node-phantoms
}


FOUND: Mapping[str, Sequence[str]] = {"measurements": MEASUREMENTS}


def folders() -> list[Path]:
    """The folder of each feature, also of those without their line, in the order of their names."""
    return sorted(file.parent for file in Path(__file__).with_name("features").glob("*/__init__.py"))


def places_of(seam: str) -> dict[str, str]:
    """Name → ``module:object`` of the node's own plug-ins of a seam."""
    places = dict(OWN.get(seam, {}))
    for feature in (folder.name for folder in folders()) if seam in STAYING else FEATURES:
        package = f"miqa_node.features.{feature}"
        table: Mapping[str, str] = getattr(import_module(package), seam.upper(), {})
        places |= {name: f"{package}.{place}" for name, place in table.items()}
    return dict(sorted(places.items()))


def modules_of(names: Sequence[str]) -> Iterator[str]:
    """These modules, and those in the folders of these packages; none is imported here."""
    for name in names:
        spec = find_spec(name)
        folders = spec.submodule_search_locations if spec else None
        if not folders:
            yield name
        for folder in folders or ():
            for path in sorted(Path(folder).glob("*/**/*.py")):
                if path.stem != "__init__":
                    yield ".".join((name, *path.relative_to(folder).with_suffix("").parts))
