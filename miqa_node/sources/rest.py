"""HTTP clients store images, by STOW-RS or on the pages. The routes are in ``web``; this is the way behind them."""

from __future__ import annotations

from miqa_node.domain.role import NodeRole
from miqa_node.receive.intake import Intake
from miqa_node.receive.upload import Uploads
from miqa_node.sources.base import ImageSource, SourceContext, SourceKind


class RestSource(ImageSource):
    """``intake`` takes DICOM files, ``uploads`` pictures, too."""

    def __init__(self, context: SourceContext) -> None:
        settings = context.settings
        self.intake: Intake = context.intake
        self.uploads = Uploads(
            settings.incoming_dir,
            settings.dicom.max_object_bytes,
            context.check_store,
            context.receive,
            settings.dicom.relaxed_uids,
        )

    def start(self) -> None:
        """The web server, which starts before, listens."""

    def stop(self) -> None:
        """The web server, which stops after, finishes what is under way."""


KIND = SourceKind("rest", RestSource, NodeRole.WEB)
