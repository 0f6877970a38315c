"""Objects in front of or in the patient, of three families: removable shapes, medical devices, real cut-outs."""

from __future__ import annotations

from collections.abc import Mapping

from miqa_training.degrade.cutouts import cutouts
from miqa_training.degrade.device_in_view import devices
from miqa_training.degrade.physics import Simulation, Simulator
from miqa_training.degrade.shapes import shapes

FAMILIES: Mapping[str, Simulation] = {"shapes": shapes, "cutouts": cutouts, "devices": devices}

FOREIGN_OBJECT = Simulator(shapes, order=10)
