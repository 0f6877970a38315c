"""The vision transformer, and the masked autoencoder that trains it.

Dosovitskiy et al., ICLR 2021; He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022: three quarters
of the patches are hidden, the transformer sees the rest, and a light decoder predicts the hidden ones. No labels are
used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class VitShape:
    """Sizes of the network; the defaults have 2.7 million parameters."""

    side_px: int = 128
    patch_px: int = 8
    width: int = 192
    depth: int = 6
    heads: int = 6
    decoder_width: int = 96
    decoder_depth: int = 2

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.side_px // self.patch_px


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each with pre-normalisation and a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Shape (N, tokens, width), as the input."""
        query, key, value = self.split(tokens)
        values = functional.scaled_dot_product_attention(query, key, value)
        return self.after(tokens, values)

    def with_weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The same with the attention weights, (N, heads, tokens, tokens)."""
        query, key, value = self.split(tokens)
        weights = torch.softmax(query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5, dim=-1)
        return self.after(tokens, weights @ value), weights

    def split(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, (N, heads, tokens, width of a head) each."""
        n, count, width = tokens.shape
        parts = self.qkv(self.before(tokens)).reshape(n, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def after(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        """The block after its attention: residual connection and perceptron."""
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(tokens.shape))
        out: Tensor = tokens + self.narrow(functional.gelu(self.widen(self.between(tokens))))
        return out


class VisionTransformer(nn.Module):
    """Transformer blocks over patches and one class token."""

    places: Tensor

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Linear(shape.patch_px**2, shape.width)
        self.class_token = nn.Parameter(torch.randn(1, 1, shape.width) * 0.02)
        self.register_buffer("places", sines(shape.grid, shape.width), persistent=False)
        self.blocks = nn.ModuleList([TransformerBlock(shape.width, shape.heads) for _ in range(shape.depth)])
        self.last = nn.LayerNorm(shape.width)

    def begin(self, view: Tensor) -> Tensor:
        """Patch embeddings with positions, (N, patches, width), of views (N, 1, side, side)."""
        tokens: Tensor = self.embed(patches(view, self.shape.patch_px)) + self.places
        return tokens

    def forward(self, view: Tensor, visible: Tensor) -> Tensor:
        """Tokens, class token first, of the patches with the indices ``visible`` (N, K)."""
        chosen = torch.gather(self.begin(view), 1, visible[..., None].expand(-1, -1, self.shape.width))
        tokens = torch.cat([self.class_token.expand(len(view), -1, -1), chosen], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        normalised: Tensor = self.last(tokens)
        return normalised


class MaskedAutoencoder(nn.Module):
    """Predicts hidden patches; the transformer learns only from this loss."""

    places: Tensor

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.encoder = VisionTransformer(shape)
        width = shape.decoder_width
        self.narrow = nn.Linear(shape.width, width)
        self.hidden_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.register_buffer("places", sines(shape.grid, width), persistent=False)
        self.blocks = nn.ModuleList([TransformerBlock(width, 3) for _ in range(shape.decoder_depth)])
        self.last = nn.LayerNorm(width)
        self.guess = nn.Linear(width, shape.patch_px**2)

    def forward(self, view: Tensor, order: Tensor, values: int) -> Tensor:
        """Mean squared error of the hidden patches, each normalised by its own mean and standard deviation.

        ``order`` (N, patches) holds the indices of all patches in random order; the first ``values`` are visible.
        """
        tokens = self.narrow(self.encoder(view, order[:, :values]))
        hidden = self.hidden_token.expand(len(view), order.shape[1] - values, -1)
        mixed = torch.cat([tokens[:, 1:], hidden], dim=1)
        back = torch.argsort(order, dim=1)[..., None].expand(-1, -1, mixed.shape[-1])
        rest = torch.cat([tokens[:, :1], torch.gather(mixed, 1, back) + self.places], dim=1)
        for block in self.blocks:
            rest = block(rest)
        guessed = self.guess(self.last(rest[:, 1:])).float()
        targets = patches(view, self.encoder.shape.patch_px)
        mean, variance = targets.mean(-1, keepdim=True), targets.var(-1, keepdim=True)
        error = ((guessed - (targets - mean) / (variance + 1e-3).sqrt()) ** 2).mean(-1)
        weights = torch.ones_like(error).scatter(1, order[:, :values], 0.0)
        loss: Tensor = (error * weights).sum() / weights.sum()
        return loss


class ExportedVit(nn.Module):
    """The outputs of the package's graph for one view (1, 1, side, side); no patch is hidden.

    ``tokens`` (1, width, grid, grid) of the last block and ``tap_middle`` (same shape) of the middle one; ``attention``
    (1, heads, grid, grid): the attention that each place receives in the last block, scaled to a mean of 1.
    """

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, global_view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All outputs, in the order of the names in ``export``."""
        encoder, grid = self.encoder, self.encoder.shape.grid
        tokens = torch.cat([encoder.class_token, encoder.begin(global_view)], dim=1)
        middle = tokens
        for number, block in enumerate(encoder.blocks[:-1], 1):
            tokens = block(tokens)
            if number == len(encoder.blocks) // 2:
                middle = tokens
        last: Any = encoder.blocks[-1]
        tokens, weights = last.with_weights(tokens)
        received = weights[:, :, :, 1:].mean(dim=2) * float(grid * grid)
        return (
            places_of(encoder.last(tokens), grid),
            places_of(middle, grid),
            received.reshape(1, encoder.shape.heads, grid, grid),
        )


def places_of(tokens: Tensor, grid: int) -> Tensor:
    """(1, width, grid, grid) from tokens, without their leading class token."""
    return tokens[:, 1:].transpose(1, 2).reshape(1, tokens.shape[-1], grid, grid)


def patches(view: Tensor, size: int) -> Tensor:
    """(N, patches, size²) of views (N, 1, side, side), row by row."""
    n, _, rows, columns = view.shape
    cut = view.reshape(n, rows // size, size, columns // size, size)
    return cut.permute(0, 1, 3, 2, 4).reshape(n, (rows // size) * (columns // size), size * size)


def sines(grid: int, width: int) -> Tensor:
    """Fixed positions, (1, grid², width): sines and cosines of row and column (Vaswani et al. 2017, in 2D)."""
    steps = 10000.0 ** (-np.arange(width // 4) / (width / 4.0))
    angles = np.arange(grid)[:, None] * steps
    along = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    rows = np.repeat(along[:, None], grid, axis=1)
    columns = np.repeat(along[None], grid, axis=0)
    return torch.tensor(np.concatenate([rows, columns], axis=2).reshape(1, grid * grid, width), dtype=torch.float32)
