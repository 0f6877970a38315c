"""Draws training batches on the device: place and scale, pasted shadows, window, grain, blur, resolution, compression.

Everything is batched torch, so that a graphics processor draws faster than the network learns; on CPUs it is a small
part of a step. Each step has a seed of its own: a resumed run sees the same batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from miqa_training.objects.bank import PieceBank, PieceKind
from miqa_training.objects.loss import ObjectTargets

MOST_BOXES = 24
SLOTS = 5
"""Number of pieces that a picture can get."""
LEAST_LEFT = 0.35
"""Share of a box that must still be in the picture for its object to count as seen."""
BLADES = 0.15
"""Share of the pictures whose edges are covered."""


class ObjectSet(NamedTuple):
    """N pictures on one device.

    ``pixels`` (N, S, S) uint8, content in the upper left corner; ``content`` (N, 2) its
    width and height as shares of S; ``boxes`` (N, K, 4) as shares of the content; ``kind``, ``sure`` (N, K);
    ``outside``, ``somewhere`` (N, 3) as in :class:`ObjectTargets`; ``weight`` (N,) how often a picture is drawn.
    """

    pixels: Tensor
    content: Tensor
    boxes: Tensor
    kind: Tensor
    sure: Tensor
    outside: Tensor
    somewhere: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> ObjectSet:
        """The same on a device."""
        return ObjectSet(*(part.to(device) for part in self))


@dataclass(frozen=True, slots=True)
class VariationShares:
    """How much is varied; 0 turns a part off."""

    side_px: int = 512
    removable: float = 0.0
    """Share of the pictures that get something removable; none do better at other hospitals."""
    device: float = 0.15
    """Share that gets a device, as a hard negative."""
    marker: float = 0.1
    real: float = 0.35
    """Share of real cut-outs among the pieces; the rest is simulated."""
    look: float = 1.0
    """Strength of the variation of window, sharpness, grain and compression."""
    place: float = 1.0
    """Strength of the variation of size, proportions and turn."""


class ObjectBatches:
    """Batch number n of a set of pictures and a bank of pieces."""

    def __init__(self, pictures: ObjectSet, bank: PieceBank, shares: VariationShares, batch: int, seed: int) -> None:
        self.pictures, self.shares, self.batch, self.seed = pictures, shares, batch, seed
        self.device = pictures.pixels.device
        self.odds = (pictures.weight / pictures.weight.sum()).cpu().numpy().astype(np.float64)
        self.odds /= self.odds.sum()
        self.bank = bank
        self.shadows = torch.from_numpy(bank.shadows).to(self.device)
        self.by_kind = {
            kind: (np.flatnonzero((bank.kind == kind) & bank.real), np.flatnonzero((bank.kind == kind) & ~bank.real))
            for kind in PieceKind
        }

    def __call__(self, number: int) -> tuple[Tensor, ObjectTargets]:
        """Pictures (N, 1, S, S) from -1 to 1, and targets."""
        rng = np.random.default_rng((self.seed, number))
        noise = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + number)
        chosen = rng.choice(len(self.odds), self.batch, p=self.odds)
        index = torch.from_numpy(chosen).to(self.device)
        images, targets, scale = self._placed(index, rng)
        images, targets = self._pasted(images, targets, scale, rng)
        images = looks(images, self.shares.look, rng, noise)
        images = torch.where(
            _seen(self.batch, images.shape[-1], rng, BLADES * self.shares.look, self.device), images, 0
        )
        return images * 2.0 - 1.0, targets

    def _placed(self, index: Tensor, rng: np.random.Generator) -> tuple[Tensor, ObjectTargets, NDArray[np.float64]]:
        """The pictures turned, scaled, squeezed, shifted and mirrored; their boxes likewise."""
        n, side, much = len(index), self.shares.side_px, self.shares.place
        scale = np.exp(much * rng.uniform(math.log(0.75), math.log(1.35), n))
        aspect = np.exp(much * rng.uniform(-0.12, 0.12, n))
        angle = np.radians(much * rng.normal(0, 5, n).clip(-15, 15))
        flip = np.where(rng.uniform(size=n) < 0.5, -1.0, 1.0)
        forward = np.zeros((n, 2, 2))
        forward[:, 0, 0], forward[:, 0, 1] = np.cos(angle) * scale * aspect * flip, -np.sin(angle) * scale / aspect
        forward[:, 1, 0], forward[:, 1, 1] = np.sin(angle) * scale * aspect * flip, np.cos(angle) * scale / aspect
        shift = rng.uniform(-0.07, 0.07, (n, 2)) + rng.uniform(-0.5, 0.5, (n, 2)) * (scale[:, None] - 1).clip(0)
        content = self.pictures.content[index]
        move, to = self._tensor(forward), self._tensor(shift)
        back = torch.linalg.inv(move)
        grid = _cells(side, self.device) - to[:, None, None]
        source = torch.einsum("nij,nyxj->nyxi", back, grid) + content[:, None, None] / 2
        pixels = self.pictures.pixels[index].float()[:, None] / 255.0
        inside = ((source >= 0) & (source <= content[:, None, None])).all(-1)[:, None]
        images = F.grid_sample(pixels, source * 2 - 1, "bilinear", "border", align_corners=False)
        beyond = self._tensor(np.where(rng.uniform(size=n) < 0.9, 0.0, rng.uniform(0, 1, n)))[:, None, None, None]
        images = torch.where(inside, images, beyond)
        boxes = self.pictures.boxes[index]
        corners = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*boxes.shape[:2], 4, 2)
        centred = (corners - 0.5) * content[:, None, None]
        moved = torch.einsum("nij,nkcj->nkci", move, centred) + to[:, None, None] + 0.5
        whole = torch.cat([moved.amin(2), moved.amax(2)], -1)
        clipped = whole.clamp(0, 1)
        remainder = _area(clipped) / _area(whole).clamp(min=1e-9)
        targets = ObjectTargets(
            clipped, self.pictures.kind[index], self.pictures.sure[index] & (remainder > LEAST_LEFT),
            self.pictures.outside[index], self.pictures.somewhere[index],
        )  # fmt: skip
        return images, targets, scale

    def _pasted(
        self, images: Tensor, targets: ObjectTargets, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[Tensor, ObjectTargets]:
        """With shadows added: a radiograph shows the logarithm of the exposure, so shadows add up."""
        n = len(images)
        pieces = np.full((n, SLOTS), -1)
        for row in range(n):
            drawn = self._drawn(rng)
            pieces[row, : len(drawn)] = drawn
        used = np.maximum(pieces, 0)
        size = self.bank.share[used] * scale[:, None] * np.exp(rng.uniform(-0.35, 0.35, pieces.shape))
        angle = np.where(np.isnan(self.bank.place[used, 0]), rng.uniform(0, 2 * math.pi, pieces.shape),
                         rng.normal(0, 0.1, pieces.shape))  # fmt: skip
        angle = np.where(self.bank.kind[used] == PieceKind.MARKER, rng.normal(0, 0.05, pieces.shape), angle)
        usual = self.bank.place[used] - 0.5
        free = rng.uniform(-0.42, 0.42, (*pieces.shape, 2))
        place = np.where(np.isnan(usual), free, usual * scale[:, None, None] + rng.normal(0, 0.06, free.shape))
        strength = np.exp(rng.uniform(-0.7, 0.6, pieces.shape)) * (pieces >= 0)
        squeeze = np.exp(rng.uniform(-0.2, 0.2, pieces.shape))
        cells = _cells(images.shape[-1], self.device)
        for slot in range(SLOTS):
            rows = np.flatnonzero(pieces[:, slot] >= 0)
            if not len(rows):
                continue
            at = self._tensor(place[rows, slot])[:, None, None]
            c, s = np.cos(angle[rows, slot]), np.sin(angle[rows, slot])
            turn = self._tensor(np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], 1))
            local = torch.einsum("nij,nyxj->nyxi", turn, cells - at)
            wide = self._tensor(np.stack([size * squeeze, size / squeeze], -1)[rows, slot])[:, None, None]
            shadow = self.shadows[torch.from_numpy(pieces[rows, slot]).to(self.device)].float()[:, None] / 255.0
            rise = F.grid_sample(shadow, local / wide * 2, "bilinear", "zeros", align_corners=False)
            chosen = torch.from_numpy(rows).to(self.device)
            strengths = self._tensor(strength[rows, slot])[:, None, None, None]
            images[chosen] = images[chosen] + strengths * rise
        half = 0.5 * np.stack(
            [size * squeeze * self.bank.extent[used, 0], size / squeeze * self.bank.extent[used, 1]], -1
        )
        c, s = np.abs(np.cos(angle)), np.abs(np.sin(angle))
        reach = np.stack([c * half[..., 0] + s * half[..., 1], s * half[..., 0] + c * half[..., 1]], -1)
        boxes = self._tensor(np.concatenate([place - reach, place + reach], -1) + 0.5)
        kind = np.where((pieces >= 0) & (self.bank.kind[used] < PieceKind.MARKER), self.bank.kind[used], -1)
        clipped = boxes.clamp(0, 1)
        plain = strength * self.bank.shadows.reshape(len(self.bank.shadows), -1).max(1)[used] / 255.0 > 0.06
        sure = torch.from_numpy(plain).to(self.device) & (_area(clipped) / _area(boxes).clamp(min=1e-9) > LEAST_LEFT)
        return images.clamp(0, 1), ObjectTargets(
            torch.cat([targets.boxes, clipped], 1),
            torch.cat([targets.kind, torch.from_numpy(kind).to(self.device)], 1),
            torch.cat([targets.sure, sure], 1), targets.outside, targets.somewhere,
        )  # fmt: skip

    def _drawn(self, rng: np.random.Generator) -> list[int]:
        """Pieces of one picture; several removable ones are often alike, as on a gown."""
        drawn: list[int] = []
        for kind, share in ((PieceKind.REMOVABLE, self.shares.removable), (PieceKind.DEVICE, self.shares.device),
                            (PieceKind.MARKER, self.shares.marker)):  # fmt: skip
            if rng.uniform() >= share:
                continue
            real, simulated = self.by_kind[kind]
            pool = real if len(real) and (rng.uniform() < self.shares.real or not len(simulated)) else simulated
            if not len(pool):
                continue
            one = int(rng.choice(pool))
            drawn.append(one)
            while kind is PieceKind.REMOVABLE and rng.uniform() < 0.45 and len(drawn) < SLOTS - 2:
                drawn.append(one if rng.uniform() < 0.6 else int(rng.choice(pool)))
        return drawn[:SLOTS]

    def _tensor(self, values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


def looks(images: Tensor, strength: float, rng: np.random.Generator, noise: torch.Generator) -> Tensor:
    """Another look of the same pictures (N, 1, S, S), 0 to 1: what other machines, processing and archives make."""
    if strength <= 0:
        return images
    n, device = len(images), images.device

    def each(low: float, high: float, share: float = 1.0, nothing: float = 0.0) -> Tensor:
        values = np.where(rng.uniform(size=n) < share, rng.uniform(low, high, n), nothing)
        return torch.from_numpy(values.astype(np.float32)).to(device)[:, None, None, None]

    coarse = F.interpolate(F.avg_pool2d(images, 16, 16), images.shape[-2:], mode="bilinear", align_corners=False)
    middle = F.interpolate(F.avg_pool2d(images, 4, 4), images.shape[-2:], mode="bilinear", align_corners=False)
    images = (
        images
        + strength * each(-0.5, 0.7, 0.5) * (images - coarse)
        + strength * each(-0.4, 0.8, 0.4) * (images - middle)
    )
    images = _evened(images, coarse, strength * each(0.2, 0.8, 0.25))
    images = images.clamp(1e-4, 1) ** torch.exp(strength * each(-0.55, 0.55))
    images = torch.lerp(images, _toned(images.clamp(0, 1), rng), strength * each(0.3, 1.0, 0.3))
    images = (images - 0.5) * torch.exp(strength * each(-0.45, 0.3)) + 0.5 + strength * each(-0.12, 0.12)
    blurred = _blurred(images)
    images = torch.lerp(images, blurred, each(0.2, 1.0, 0.3 * strength))
    coarser = round(images.shape[-1] / float(rng.uniform(1.2, 2.4)))  # one factor a batch, for a quarter of it
    low = F.interpolate(images, (coarser, coarser), mode="bilinear", antialias=True, align_corners=False)
    low = F.interpolate(low, images.shape[-2:], mode="bilinear", align_corners=False)
    images = torch.where(each(1, 1, 0.25 * strength) > 0, low, images)
    grain = torch.randn(images.shape, device=device, generator=noise)
    grain = torch.lerp(grain, 2.0 * _blurred(grain), each(0, 1, 0.6))
    images = images + each(0.004, 0.05, 0.5 * strength) * grain * (0.4 + 1.2 * (1 - images.clamp(0, 1)))
    images = torch.where(each(1, 1, 0.3 * strength) > 0, _compressed(images, each(0.01, 0.09)), images)
    return (images.clamp(0, 1) * 255).round() / 255


def _evened(images: Tensor, coarse: Tensor, share: Tensor) -> Tensor:
    """Mixed with a picture of the same contrast everywhere, as adaptive equalisation makes it."""
    spread = F.avg_pool2d((images - coarse).square(), 64, 64)
    spread = F.interpolate(spread, images.shape[-2:], mode="bilinear", align_corners=False)
    wide = F.interpolate(F.avg_pool2d(images, 64, 64), images.shape[-2:], mode="bilinear", align_corners=False)
    return torch.lerp(images, 0.5 + 0.15 * (images - wide) / (spread.sqrt() + 0.03), share)


def _toned(images: Tensor, rng: np.random.Generator, knots: int = 6) -> Tensor:
    """Through a rising curve of straight pieces, another one for each picture."""
    steps = rng.exponential(1.0, (len(images), knots)) + 0.15
    curve = np.concatenate([np.zeros((len(images), 1)), np.cumsum(steps, 1) / steps.sum(1, keepdims=True)], 1)
    heights = torch.from_numpy(curve.astype(np.float32)).to(images.device)
    flat = images.flatten(1) * knots
    below = flat.floor().clamp(max=knots - 1)
    low, high = heights.gather(1, below.long()), heights.gather(1, below.long() + 1)
    return torch.lerp(low, high, flat - below).view_as(images)


def _seen(n: int, side: int, rng: np.random.Generator, share: float, device: torch.device) -> Tensor:
    """(N, 1, S, S): False beyond blades that cover up to a twelfth of the picture at each side."""
    blades = rng.uniform(0, 0.08, (n, 4)) * (rng.uniform(size=(n, 1)) < share)
    left, right, top, bottom = torch.from_numpy(blades.astype(np.float32)).to(device).T[..., None]
    along = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) / side
    columns, rows = (along >= left) & (along <= 1 - right), (along >= top) & (along <= 1 - bottom)
    return (rows[:, :, None] & columns[:, None])[:, None]


def _blurred(images: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device) / 16
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))


def _compressed(images: Tensor, step: Tensor) -> Tensor:
    """Rounded coefficients of 8 × 8 cosine transforms, the coarser the finer the detail, as JPEG rounds them."""
    k = torch.arange(8, device=images.device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    basis[0] *= math.sqrt(0.5)
    n, _, rows, columns = images.shape
    blocks = images.reshape(n, rows // 8, 8, columns // 8, 8)
    turned = torch.einsum("ui,nyixj,vj->nyuxv", basis, blocks, basis)
    coarse = step.view(n, 1, 1, 1, 1) * (1 + 0.7 * (k[:, None, None] + k[None, None, :]))
    turned = (turned / coarse).round() * coarse
    return torch.einsum("ui,nyuxv,vj->nyixj", basis, turned, basis).reshape(images.shape)


def _cells(side: int, device: torch.device) -> Tensor:
    """(S, S, 2): x and y of every pixel's centre, from the middle of the picture, as shares of its side."""
    along = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) / side - 0.5
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y], -1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)
