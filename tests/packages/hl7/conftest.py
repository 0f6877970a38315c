from __future__ import annotations

from tests.stages.deliver.conftest import deliver_settings

__all__ = ["deliver_settings"]
