"""The site's settings for exposures, with the key of its pseudonyms."""

from __future__ import annotations

from datetime import time

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.keys.secret_files import KEY_FILE, open_key
from miqa_node.core.settings import Settings


def acquisition_rules(settings: Settings) -> AcquisitionRules:
    """The site's rules for rooms, shifts, people's names and samples; creates the key of pseudonyms."""
    site = settings.analysis
    return AcquisitionRules(
        key=open_key(settings.node.data_dir / KEY_FILE, site.pseudonym_key),
        rooms=site.rooms,
        shifts={name: time.fromisoformat(start) for name, start in site.shifts.items()},
        repeat_window_s=site.repeat_window_s,
        show_operators=site.show_operators,
        archive_ae_titles=site.archive_ae_titles,
        audit_share=site.audit_share,
        zone=settings.node.zone,
    )
