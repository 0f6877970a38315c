"""Weights in training: the moving average that is shipped, and checkpoints that survive an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from miqa_node.core.files.whole_file import whole_file

N = TypeVar("N", bound=nn.Module)


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, share: float) -> None:
    """Move the average towards the network, keeping ``share`` of it; counters are copied."""
    for old, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new.to(old.dtype), 1.0 - share)
        else:
            old.copy_(new)


def in_format(net: N, memory_format: torch.memory_format) -> N:
    """The same network with its weights in ``memory_format``, a keyword missing from torch's own types."""
    convert: Callable[..., N] = net.to
    return convert(memory_format=memory_format)


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; an interruption leaves the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        torch.save(dict(state), part)
