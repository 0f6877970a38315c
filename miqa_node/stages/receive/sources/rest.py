"""Source for HTTP clients that store images by STOW-RS or on the pages. The routes are those of the pages."""

from __future__ import annotations

from miqa_node.core.domain.role import NodeRole
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.sources.base import ImageSource, SourceContext, SourceKind
from miqa_node.stages.receive.upload import Uploads


class RestSource(ImageSource):
    """``intake`` takes DICOM files, ``uploads`` also pictures."""

    def __init__(self, context: SourceContext) -> None:
        self.intake: Intake = context.intake
        self.uploads = Uploads(context.intake)
        self._timeout_s = context.settings.dicom.acse_timeout_s

    def start(self) -> None:
        """Take objects; the web server, which starts earlier, already listens."""
        self.intake.open()

    def stop(self) -> None:
        """Refuse further objects and finish those in progress; the web server stops later."""
        self.intake.finish(self._timeout_s)


KIND = SourceKind("rest", RestSource, NodeRole.WEB)
