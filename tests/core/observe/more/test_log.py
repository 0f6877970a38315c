"""Log lines say what happened, and never to whom."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.core.observe.test_log import NAME

LATE = """
from miqa_node.core.observe.log import set_up_logging
from miqa_node.core.settings import load_settings
set_up_logging(load_settings().log)
"""


CHILD = """
from miqa_node.runtime.workers import child
child.set_up()
"""


COMMAND = """
from miqa_node.core import process
process.silence_libraries()
"""


@pytest.mark.parametrize(
    "set_up", [LATE, CHILD, COMMAND], ids=["loaded after the log is set up", "a child", "a command"]
)
def test_no_process_quotes_a_value(set_up: str) -> None:
    program = f"{set_up}\nfrom pydicom.dataset import Dataset\nDataset().PatientBirthDate = '{NAME} 1.1.1950'\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert NAME not in done.stderr + done.stdout
