"""Foreign objects, of three families: training draws shapes and implants; cut-outs only test."""

from __future__ import annotations

from collections.abc import Mapping

from miqa_node.degrade.cutouts import cutouts
from miqa_node.degrade.implants import implants
from miqa_node.degrade.physics import Simulation, Simulator
from miqa_node.degrade.shapes import shapes

FAMILIES: Mapping[str, Simulation] = {"shapes": shapes, "cutouts": cutouts, "implants": implants}

FOREIGN_OBJECT = Simulator(shapes, order=10)
