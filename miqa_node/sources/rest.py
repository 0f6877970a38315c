"""Source for HTTP clients that store images by STOW-RS or on the pages. The routes are in ``web``."""

from __future__ import annotations

from miqa_node.domain.role import NodeRole
from miqa_node.receive.intake import Intake
from miqa_node.receive.upload import Uploads
from miqa_node.sources.base import ImageSource, SourceContext, SourceKind


class RestSource(ImageSource):
    """``intake`` takes DICOM files, ``uploads`` also pictures."""

    def __init__(self, context: SourceContext) -> None:
        settings = context.settings
        self.intake: Intake = context.intake
        self.uploads = Uploads(
            settings.incoming_dir,
            settings.dicom.max_object_bytes,
            context.check_store,
            context.receive,
            settings.dicom.relaxed_uids,
            settings.imaging.anatomy,
        )

    def start(self) -> None:
        """Do nothing: the web server, which starts earlier, listens."""

    def stop(self) -> None:
        """Do nothing: the web server, which stops later, finishes requests in progress."""


KIND = SourceKind("rest", RestSource, NodeRole.WEB)
