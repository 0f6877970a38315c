"""Gradients and saliency maps inside ONNX graphs, made of ONNX operators alone; needs numpy and onnx. See README.md."""

from .class_maps import add_class_maps
from .errors import GradientError, UnsupportedOperatorError
from .gradient import SEED, add_gradients, gradient_name
from .maps import COMBINED, LAYER_MAPS, add_maps, last_feature_map
from .prune import keep_outputs
from .rules import RULES

__all__ = [
    "COMBINED",
    "LAYER_MAPS",
    "RULES",
    "SEED",
    "GradientError",
    "UnsupportedOperatorError",
    "add_class_maps",
    "add_gradients",
    "add_maps",
    "gradient_name",
    "keep_outputs",
    "last_feature_map",
]
