"""An effect of each verdict: a file per station, which a lamp beside the device shows to whoever works there."""

import os
import re
from pathlib import Path

from miqa_node.api import Conclusion, EffectContext, EffectKind, LaterEffect

miqa_api = 1


class LampEffect(LaterEffect):
    """The newest verdict of each station; a file that is lost with the process is written with the next image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def follow(self, conclusion: Conclusion) -> None:
        """Write the file; the station's name comes from the image, so it may contain anything."""
        station = re.sub(r"\W", "_", conclusion.instance.header.station_name) or "unknown"
        (self.folder / station).write_text(conclusion.disposition.verdict.value)


def open_lamp(_context: EffectContext) -> LampEffect | None:
    """Nothing where the site has no lamps."""
    folder = os.environ.get("SITE_LAMPS", "")
    return LampEffect(Path(folder)) if folder else None


KIND = EffectKind("lamp", open_lamp)
