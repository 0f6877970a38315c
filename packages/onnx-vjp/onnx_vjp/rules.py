"""All rules by operator: one module per family of operators."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import arithmetic, convolution, layout, matrix, normalisation, pointwise, pooling, reduction, resampling
from .rule import OperatorRule

FAMILIES = (arithmetic, convolution, layout, matrix, normalisation, pointwise, pooling, reduction, resampling)

RULES: Mapping[str, OperatorRule] = MappingProxyType(
    {
        op_type: one
        for family in FAMILIES
        for one in vars(family).values()
        if isinstance(one, OperatorRule)
        for op_type in one.op_types
    }
)
