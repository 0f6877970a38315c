# ruff: noqa: F401 - fixtures of the quick suite are imported by name
"""What other distributions add is in the reference, and a finding of theirs can be all that an own one is."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset

from miqa_node import plugins
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.taxonomy.lookup import quality_score
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.watch import watch
from miqa_node.features.worklist.page.study.images import StudyImage
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import acquisition_findings
from miqa_node.stages.report.gsps_shutter import add_shutter
from miqa_node.stages.report.source import read_source
from tests.conftest import ROOT
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.project.test_examples_in_pages import others
from tests.runtime.store.making import digest
from tests.stages.report import making
from tools.conformance import conformance_page
from tools.findings_page import findings_page
from tools.measurements_page import measurements_page


@pytest.mark.usefixtures("others")
def test_the_reference_lists_what_other_distributions_add() -> None:
    assert "| `patient_motion` | Patient motion | the patient moved between two exposures |" in findings_page("")
    assert "| patient_motion | hard | if present | never |" in findings_page("")
    assert "| `skipped_values` | % |" in measurements_page("")
    assert "##### LIGHT: " in conformance_page()
