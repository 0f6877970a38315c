"""The process from which further receiving processes are forked, if a node has them."""

from __future__ import annotations

from functools import partial

from miqa_node.core.domain.role import NodeRole
from miqa_node.core.settings import Settings
from miqa_node.runtime.workers.forks import CAN_FORK, Fork, ForkTemplate
from miqa_node.stages.receive.receivers.process import receive


def receiver_forks(settings: Settings, role: NodeRole) -> Fork | None:
    """What makes receiving processes, for a node of that role; None if its own process receives alone.

    To be called while the process has one thread.
    """
    if not (CAN_FORK and role.receives and settings.dicom.further_receivers):
        return None
    template = ForkTemplate(partial(receive, settings))
    template.start()
    return template.fork
