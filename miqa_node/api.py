"""What a plug-in imports: every name that the seams of ``miqa_api = 1`` need, from one place (docs/how-to/extend.md).

Where the node keeps these names is its own affair and may change; here they stay as long as the number is 1. Each is
loaded when it is first asked for, so a measurement loads no web server.
"""

# ruff: noqa: PLC0414 - "as" tells type checkers that a name is for others

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miqa_node.core.domain.access import Permission as Permission
    from miqa_node.core.domain.assessment import Measurement as Measurement
    from miqa_node.core.domain.codes import Code as Code
    from miqa_node.core.domain.deciding import findings_in_order as findings_in_order
    from miqa_node.core.domain.delivery import ResultKind as ResultKind
    from miqa_node.core.domain.finding import Finding as Finding
    from miqa_node.core.domain.finding import FindingName as FindingName
    from miqa_node.core.domain.finding import FindingWords as FindingWords
    from miqa_node.core.domain.instance import Header as Header
    from miqa_node.core.domain.instance import StoredInstance as StoredInstance
    from miqa_node.core.domain.judgement import Judgement as Judgement
    from miqa_node.core.domain.measurand import label_of as label_of
    from miqa_node.core.domain.network import is_loopback as is_loopback
    from miqa_node.core.domain.phantom import PhantomKind as PhantomKind
    from miqa_node.core.domain.ports import AssessorResult as AssessorResult
    from miqa_node.core.domain.prediction import PendingReason as PendingReason
    from miqa_node.core.domain.role import NodeRole as NodeRole
    from miqa_node.core.domain.shown_number import stated as stated
    from miqa_node.core.domain.verdict import Verdict as Verdict
    from miqa_node.core.domain.worklist import Review as Review
    from miqa_node.core.domain.worklist import WorklistItem as WorklistItem
    from miqa_node.core.language.catalogue import reworded as reworded
    from miqa_node.core.language.catalogue import spoken as spoken
    from miqa_node.core.language.phrase import Phrase as Phrase
    from miqa_node.core.observe.metrics import REGISTRY as REGISTRY
    from miqa_node.core.observe.stages import StageClock as StageClock
    from miqa_node.core.settings import WatchedFile as WatchedFile
    from miqa_node.core.settings import read_toml as read_toml
    from miqa_node.core.taxonomy.base import ConceptEntry as ConceptEntry
    from miqa_node.core.taxonomy.base import FindingEntry as FindingEntry
    from miqa_node.core.taxonomy.base import RuleEntry as RuleEntry
    from miqa_node.core.taxonomy.base import SeverityEntry as SeverityEntry
    from miqa_node.core.taxonomy.base import Taxonomy as Taxonomy
    from miqa_node.core.taxonomy.base import read_taxonomy as read_taxonomy
    from miqa_node.core.taxonomy.lookup import faults as faults
    from miqa_node.core.taxonomy.lookup import finding_title as finding_title
    from miqa_node.core.taxonomy.lookup import reason_code as reason_code
    from miqa_node.core.words.codes import IMAGE_QUALITY_RATING as IMAGE_QUALITY_RATING
    from miqa_node.core.words.codes import QUALITY_ASSESSMENTS as QUALITY_ASSESSMENTS
    from miqa_node.core.words.codes import READER_DECISIONS as READER_DECISIONS
    from miqa_node.core.words.finding_codes import certainty_code as certainty_code
    from miqa_node.core.words.finding_codes import finding_code as finding_code
    from miqa_node.core.words.measurement_codes import measurement_code as measurement_code
    from miqa_node.core.words.measurement_codes import unit_of as unit_of
    from miqa_node.core.words.narrative import narrative as narrative
    from miqa_node.core.words.object_words import title_of as title_of
    from miqa_node.errors import DeliveryError as DeliveryError
    from miqa_node.errors import DeliveryRefusedError as DeliveryRefusedError
    from miqa_node.errors import MiqaError as MiqaError
    from miqa_node.errors import SettingsError as SettingsError
    from miqa_node.features.phantoms.measure import PhantomMeasure as PhantomMeasure
    from miqa_node.features.phantoms.measure import PhantomQuantity as PhantomQuantity
    from miqa_node.features.phantoms.stack import PhantomStack as PhantomStack
    from miqa_node.features.phantoms.values import PhantomValue as PhantomValue
    from miqa_node.interfaces.cli.command import Command as Command
    from miqa_node.interfaces.cli.options import ConfigFile as ConfigFile
    from miqa_node.interfaces.cli.options import DataDir as DataDir
    from miqa_node.interfaces.cli.store import open_transaction as open_transaction
    from miqa_node.interfaces.web.access import Reader as Reader
    from miqa_node.interfaces.web.card import ACCOUNT as ACCOUNT
    from miqa_node.interfaces.web.card import OPERATIONS as OPERATIONS
    from miqa_node.interfaces.web.card import STUDY as STUDY
    from miqa_node.interfaces.web.card import STUDY_IMAGE as STUDY_IMAGE
    from miqa_node.interfaces.web.card import WORKLIST_ROW as WORKLIST_ROW
    from miqa_node.interfaces.web.card import CardContext as CardContext
    from miqa_node.interfaces.web.card import ImageOnPage as ImageOnPage
    from miqa_node.interfaces.web.card import PageCard as PageCard
    from miqa_node.interfaces.web.card import StudyOnPage as StudyOnPage
    from miqa_node.interfaces.web.html.pages import render as render
    from miqa_node.interfaces.web.page import Navigation as Navigation
    from miqa_node.interfaces.web.page import Page as Page
    from miqa_node.interfaces.web.services import Services as Services
    from miqa_node.parts import PartContext as PartContext
    from miqa_node.parts import PartKind as PartKind
    from miqa_node.parts import Schedule as Schedule
    from miqa_node.parts import StartMoment as StartMoment
    from miqa_node.plugins import Seam as Seam
    from miqa_node.runtime.work.regular import RegularWork as RegularWork
    from miqa_node.stages.assess.card import Card as Card
    from miqa_node.stages.assess.contracts.base import LOGITS as LOGITS
    from miqa_node.stages.assess.contracts.base import SEVERITY as SEVERITY
    from miqa_node.stages.assess.contracts.base import Array as Array
    from miqa_node.stages.assess.contracts.base import Arrays as Arrays
    from miqa_node.stages.assess.contracts.base import Contract as Contract
    from miqa_node.stages.assess.contracts.base import ModelMaterial as ModelMaterial
    from miqa_node.stages.assess.goldens import golden_radiograph as golden_radiograph
    from miqa_node.stages.conclusion.base import Conclusion as Conclusion
    from miqa_node.stages.conclusion.base import Effect as Effect
    from miqa_node.stages.conclusion.base import LaterEffect as LaterEffect
    from miqa_node.stages.conclusion.effects import EffectContext as EffectContext
    from miqa_node.stages.conclusion.effects import EffectKind as EffectKind
    from miqa_node.stages.conclusion.gauge import GaugeKind as GaugeKind
    from miqa_node.stages.deliver.http_request import HttpAnswer as HttpAnswer
    from miqa_node.stages.deliver.http_request import HttpService as HttpService
    from miqa_node.stages.deliver.kinds.base import DeliveryContext as DeliveryContext
    from miqa_node.stages.deliver.kinds.base import Destination as Destination
    from miqa_node.stages.deliver.kinds.base import DestinationKind as DestinationKind
    from miqa_node.stages.deliver.kinds.base import File as File
    from miqa_node.stages.deliver.kinds.base import HttpConfig as HttpConfig
    from miqa_node.stages.deliver.kinds.base import ObjectsConfig as ObjectsConfig
    from miqa_node.stages.deliver.kinds.base import TlsConfig as TlsConfig
    from miqa_node.stages.deliver.kinds.base import read_file as read_file
    from miqa_node.stages.deliver.result import ResultContent as ResultContent
    from miqa_node.stages.deliver.tls import client_context as client_context
    from miqa_node.stages.measure.base import FramesMeasure as FramesMeasure
    from miqa_node.stages.measure.base import ImageMeasure as ImageMeasure
    from miqa_node.stages.measure.base import SeriesMeasure as SeriesMeasure
    from miqa_node.stages.measure.series_view import SeriesView as SeriesView
    from miqa_node.stages.measure.series_view import SliceView as SliceView
    from miqa_node.stages.measure.view import ImageView as ImageView
    from miqa_node.stages.receive.part10 import FileOrigin as FileOrigin
    from miqa_node.stages.receive.part10 import FileTransfer as FileTransfer
    from miqa_node.stages.receive.sources.base import ImageSource as ImageSource
    from miqa_node.stages.receive.sources.base import SourceContext as SourceContext
    from miqa_node.stages.receive.sources.base import SourceKind as SourceKind
    from miqa_node.stages.receive.statuses import OUT_OF_RESOURCES as OUT_OF_RESOURCES
    from miqa_node.stages.report.instance import reference as reference
    from miqa_node.stages.report.outputs.base import Draft as Draft
    from miqa_node.stages.report.outputs.base import Output as Output
    from miqa_node.stages.report.outputs.base import OutputContext as OutputContext
    from miqa_node.stages.report.sr_groups import anatomy_codes as anatomy_codes
    from miqa_node.stages.report.sr_review import DECISION_MEANS as DECISION_MEANS
    from miqa_node.stages.units.base import Unit as Unit
    from miqa_node.stages.units.base import UnitContext as UnitContext
    from miqa_node.stages.units.base import not_assessed as not_assessed

MODULES = {
    name.name: line.module
    for line in ast.walk(ast.parse(Path(__file__).read_text("utf-8")))
    if isinstance(line, ast.ImportFrom) and line.module is not None and line.module.startswith("miqa_node.")
    for name in line.names
}
"""Where each name is, for programs that run: as the lines above say it to type checkers."""

if not TYPE_CHECKING:  # else every name would be known to type checkers

    def __getattr__(name: str) -> Any:
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(MODULES[name]), name)
        return value
