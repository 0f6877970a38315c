"""What is known of any radiograph before anything is learned of other parts: physics, and what chests have taught.

Fixed: log-energies of filters in three octaves, the power spectrum by radius and direction, its autocorrelation (a
second position is a second peak), spectra of profiles (lines), the histogram. Learned elsewhere and left as it is: the
networks of the quality package. All of it becomes part of the graph; only a small head is fitted on top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.networks import QualityNet, over_crops, pool
from miqa_training.texture import LEAST_ENERGY, SIZE, filter_bank

VIEW_PX, CROP_PX, LONG_PX, PER_SIDE = 384, 320, 2048, 3
"""Side of the view and of a crop, longer side of the picture that crops are cut from, most crops along a side."""
CENTRE_PX, TEXTURE_PX, CELL_PX, OCTAVES = 160, 96, 8, 3
SEGMENT, FIRST_BIN, LAST_BIN = 32, 6, 160
"""Rows (or columns) that make a profile, and the bins of its spectrum: 0.02 to 0.5 cycles a pixel."""
BANDS = 7
"""Bands of that spectrum in which the highest line is sought, 22 bins each."""
SOFTNESS = 2.0
"""Sharpness of the soft extremes over cells."""
DARK, MIDDLE, BRIGHT = -1.4, 0.0, 1.4
"""Brightness, as normalised, around which cells are looked at on their own."""
RADII = (0.015, 0.03, 0.06, 0.1, 0.15, 0.2, 0.27, 0.35, 0.43, 0.5)
DIRECTIONS = 12
CROP_RINGS, VIEW_RINGS = (2, 4, 6, 9, 13, 18, 24), (3, 5, 8, 13, 20, 30, 48)
"""Distances in pixels (of crops, of the view at 192) between which a second peak of the autocorrelation is sought."""
LEVELS = 16
GROUPS = (
    "crops", "crops_halved", "deep", "energy", "lines", "maps", "spectrum", "texture", "texture_halved", "tone",
    "view_repeat",
)  # fmt: skip
"""All groups of features, in the order of :func:`joined`."""
SEEN = ("deep", "lines", "maps", "spectrum", "texture", "tone")
"""What the head sees. The others take as long again and added nothing to the figures of sources that were left out."""


class PartFeatures(nn.Module):
    """Groups of features (N, ·) of ``view`` (N, 1, H, W) and ``crops`` (N·K, 1, h, w) in order of N."""

    def __init__(self, quality: QualityNet, groups: Collection[str] = GROUPS) -> None:
        super().__init__()
        self.quality, self.groups = quality, frozenset(groups)
        self.energy, self.lines = CellEnergies(), ProfileLines()
        self.crop_power = PowerSpectrum(CENTRE_PX, CROP_RINGS, directions=True)
        self.view_power = PowerSpectrum(VIEW_PX // 2, VIEW_RINGS, directions=False)

    def forward(self, view: Tensor, crops: Tensor) -> Mapping[str, Tensor]:
        """See the class."""
        return self.of_view(view)[0] | self.of_crops(crops, int(view.shape[0]))

    def of_view(self, view: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Groups of the view; the class maps of the quality package as logits, and its taps ``deep``, ``fused``."""
        deep, fused = self.quality.global_net(view)
        cells = self.quality.evidence(fused)
        half = F.avg_pool2d(view, 2)
        detail = half - F.avg_pool2d(half, 9, 1, 4, count_include_pad=False)
        groups: dict[str, Callable[[], Tensor]] = {
            "deep": lambda: torch.cat([deep.mean((2, 3)), F.max_pool2d(deep, deep.shape[-2:])[..., 0, 0]], 1),
            "maps": lambda: pool(cells),
            "view_repeat": lambda: self.view_power(detail),
            "tone": lambda: tone(view),
        }
        return {name: way() for name, way in groups.items() if name in self.groups}, cells, deep, fused

    def of_crops(self, crops: Tensor, images: int) -> dict[str, Tensor]:
        """Groups of the crops."""
        made = {name: way for name, way in self._of_crops.items() if name in self.groups}
        return {name: way(crops, images) for name, way in made.items()}

    @property
    def _of_crops(self) -> Mapping[str, Callable[[Tensor, int], Tensor]]:
        quality = self.quality
        return {
            "crops_halved": lambda crops, images: _pooled(quality.crop_net(F.avg_pool2d(crops, 2)), images),
            "crops": lambda crops, images: _pooled(quality.crop_net(_centre(crops, CENTRE_PX)), images),
            "texture_halved": lambda crops, images: _pooled(
                quality.texture_net(_centre(F.avg_pool2d(crops, 2), TEXTURE_PX)), images
            ),
            "texture": lambda crops, images: _pooled(quality.texture_net(_centre(crops, TEXTURE_PX)), images),
            "energy": lambda crops, images: self.energy(_centre(crops, TEXTURE_PX), images),
            "spectrum": lambda crops, images: self.crop_power(_centre(crops, CENTRE_PX), images),
            "lines": self.lines,
        }


def _apart(each: Tensor, images: int) -> Tensor:
    """(images, K, …) of (images · K, …); traced with one image, it becomes what adds an axis."""
    return each[None] if images == 1 else each.unflatten(0, (images, -1))


def _pooled(each: Tensor, images: int) -> Tensor:
    """Mean, root mean square and highest over the crops of each image."""
    parts = _apart(each, images)
    return torch.cat([*over_crops(parts, 1), parts.amax(1)], 1)


def _centre(crops: Tensor, size: int) -> Tensor:
    top, left = (crops.shape[-2] - size) // 2, (crops.shape[-1] - size) // 2
    return crops[..., top : top + size, left : left + size]


def tone(view: Tensor) -> Tensor:
    """Soft histogram of the view, of its flat cells, and the energy of coarse detail."""
    small = F.avg_pool2d(view, 4)
    centres = torch.linspace(-2.0, 2.0, LEVELS, device=view.device).reshape(1, -1, 1, 1)
    share = torch.exp(-0.5 * ((small - centres) * (LEVELS / 4.0)) ** 2)
    spread = (F.avg_pool2d(view * view, 4) - small * small).clamp_min(0.0)
    flat = torch.exp(-spread * 2e4)
    ends = torch.cat([flat * share[:, :1], flat * share[:, -1:], flat], 1)
    energies = [small - F.avg_pool2d(small, size, 1, size // 2, count_include_pad=False) for size in (3, 7, 15, 31)]
    detail = torch.stack([(one * one).mean((1, 2, 3)).clamp_min(1e-6).log() for one in energies], 1)
    mean, square = view.mean((2, 3)), (view * view).mean((2, 3))
    return torch.cat([share.mean((2, 3)), ends.mean((2, 3)), detail, mean, square], 1)


class CellEnergies(nn.Module):
    """Log-energies of the fixed filters in three octaves over cells of 8 px, and how they spread over all cells."""

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(filter_bank()), persistent=False)

    def forward(self, crops: Tensor, images: int) -> Tensor:
        """(N, 7 C + 1) from (N·K, 1, h, w): mean, spread, soft extremes, and means of dark, middle and bright cells."""
        energies, brightness = self.cells(crops)
        cells, light = _apart(energies.flatten(2), images), _apart(brightness.flatten(2), images)
        mean = cells.mean((1, 3))
        centred = cells - mean[:, None, :, None]
        spread = (centred * centred).mean((1, 3)).clamp_min(1e-6).sqrt()
        extremes = [
            (sign * SOFTNESS * centred).clamp(max=25.0).exp().mean((1, 3)).log() / SOFTNESS for sign in (1.0, -1.0)
        ]
        weights = [torch.exp(-2.0 * (light - at) ** 2) + 1e-4 for at in (DARK, MIDDLE, BRIGHT)]
        by_light = [(centred * weight).sum((1, 3)) / weight.sum((1, 3)) for weight in weights]
        return torch.cat([mean, spread, *extremes, *by_light, light.mean((1, 3))], 1)

    def cells(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(M, 3 B, h/8, w/8) and the brightness (M, 1, h/8, w/8)."""
        octave, maps = crops, []
        for step in range(OCTAVES):
            answer = F.conv2d(octave, self.filters, padding=SIZE // 2)
            maps.append(F.avg_pool2d(answer * answer, CELL_PX >> step).clamp_min(LEAST_ENERGY).log())
            octave = F.avg_pool2d(octave, 2)
        return torch.cat(maps, 1), F.avg_pool2d(crops, CELL_PX)


class PowerSpectrum(nn.Module):
    """The power spectrum by radius and direction, and peaks of the autocorrelation (of magnitudes, not of powers)."""

    cosine: Tensor
    sine: Tensor
    window: Tensor
    doubled: Tensor
    sectors: Tensor
    lag_cosine: Tensor
    lag_sine: Tensor
    rings: Tensor

    def __init__(self, size: int, rings: tuple[int, ...], *, directions: bool) -> None:
        super().__init__()
        self.directions = directions
        position, half = np.arange(size), size // 2 + 1
        angle = 2 * math.pi * np.outer(position, position) / size
        hann = 0.5 - 0.5 * np.cos(2 * math.pi * (position + 0.5) / size)
        reach = rings[-1] + 2
        lags = 2 * math.pi * np.outer(np.arange(-reach, reach + 1), position) / size
        y, x = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij")
        distance = np.hypot(y, x)
        masks = np.stack([(distance >= low) & (distance < high) for low, high in pairwise(rings)])
        weight = np.ones(half)
        weight[1 : size - half + 1] = 2.0
        for name, value in {
            "cosine": np.cos(angle), "sine": np.sin(angle), "window": np.outer(hann, hann),
            "sectors": _sectors(size), "lag_cosine": np.cos(lags), "lag_sine": np.sin(lags), "rings": masks,
        }.items():  # fmt: skip
            self.register_buffer(name, torch.from_numpy(np.asarray(value, np.float32)), persistent=False)
        self.half = half
        self.register_buffer("doubled", torch.from_numpy(weight.astype(np.float32)), persistent=False)

    def forward(self, pictures: Tensor, images: int | None = None) -> Tensor:
        """(N, ·) from (N·K, 1, size, size); without ``images`` each picture is one."""
        pictures = pictures[:, 0]
        centred = (pictures - pictures.mean((1, 2), keepdim=True)) * self.window
        right_cos, right_sin = centred @ self.cosine[:, : self.half], centred @ self.sine[:, : self.half]
        real = self.cosine @ right_cos - self.sine @ right_sin
        imaginary = self.sine @ right_cos + self.cosine @ right_sin
        each = real * real + imaginary * imaginary + 1e-3
        power = each.unsqueeze(1) if images is None else _apart(each, images)
        mean = power.mean(1)
        features = self._peaks(mean.sqrt())
        if self.directions:
            shares = torch.stack([mean, power.log().mean(1).exp()], 1)
            by_sector = (shares.flatten(2) @ self.sectors).clamp_min(1e-6).log()
            features = torch.cat([features, *_by_direction(by_sector)], 1)
        return features

    def _peaks(self, magnitude: Tensor) -> Tensor:
        """Highest and lowest bump of the autocorrelation in each ring, and its extent by direction near the centre."""
        scaled = magnitude * self.doubled
        scaled = torch.cat([scaled[..., :1] * 0.0, scaled[..., 1:]], 2)
        right_cos = scaled @ self.lag_cosine[:, : self.half].T
        right_sin = scaled @ self.lag_sine[:, : self.half].T
        plane = self.lag_cosine @ right_cos - self.lag_sine @ right_sin
        middle = plane.shape[-1] // 2
        plane = plane / plane[:, middle : middle + 1, middle : middle + 1].clamp_min(1e-6)
        bumps = plane - F.avg_pool2d(plane[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
        by_ring = bumps[:, None] * self.rings
        spread = ((by_ring * by_ring).sum((2, 3)) / self.rings.sum((1, 2))).clamp_min(1e-12).sqrt()
        high, low = by_ring.amax((2, 3)), -by_ring.amin((2, 3))
        near = plane[:, middle - 2 : middle + 3, middle - 2 : middle + 3].flatten(1)
        lags = torch.stack([near[:, n] for n in (6, 7, 8, 11, 10, 2, 14, 4, 0)], 1)
        ordered = torch.stack([lags[:, :4].amax(1), lags[:, :4].amin(1), lags[:, 4:].amax(1), lags[:, 4:].amin(1)], 1)
        return torch.cat([_log(high), _log(low), _log(high / spread), _log(spread), ordered], 1)


def _log(value: Tensor) -> Tensor:
    return value.clamp_min(1e-5).log()


def _by_direction(sectors: Tensor) -> list[Tensor]:
    """What of (N, 2, radii · directions) does not depend on how the picture is turned."""
    polar = sectors.unflatten(2, (len(RADII) - 1, DIRECTIONS))
    mean = polar.mean(3)
    relative = polar - mean[..., None]
    angle = torch.arange(DIRECTIONS, device=sectors.device) * (2 * math.pi / DIRECTIONS)
    second = torch.stack([(relative * angle.cos()).mean(3), (relative * angle.sin()).mean(3)], 3)
    along = second.sum(2)
    strength = (along * along).sum(2).clamp_min(1e-6).sqrt()
    agreeing = (second * (along / strength[..., None]).unsqueeze(2)).sum(3)
    parts = (mean, relative.amax(3), relative.amin(3), agreeing)
    return [*(part.flatten(1) for part in parts), strength]


def _sectors(size: int) -> np.ndarray:
    """(size · (size/2 + 1), radii · directions): the mean over each sector of the half plane."""
    half = size // 2 + 1
    down, across = np.fft.fftfreq(size)[:, None], (np.arange(half) / size)[None]
    radius, angle = np.hypot(down, across), np.arctan2(down, across + 1e-12)
    sector = np.floor((angle + math.pi / 2) / math.pi * DIRECTIONS).clip(0, DIRECTIONS - 1)
    columns = []
    for low, high in pairwise(RADII):
        for direction in range(DIRECTIONS):
            mask = (radius >= low) & (radius < high) & (sector == direction)
            if not mask.any():  # near the centre there are fewer pixels than directions
                mask = (radius >= low) & (radius < high)
            columns.append(mask.ravel() / mask.sum())
    return np.stack(columns, 1)


class ProfileLines(nn.Module):
    """Lines: spectra of profiles over short segments, along rows and along columns, averaged over all of a picture."""

    transform: Tensor

    def __init__(self) -> None:
        super().__init__()
        position, bins = np.arange(CROP_PX), np.arange(FIRST_BIN, LAST_BIN)
        angle = 2 * math.pi * np.outer(position, bins) / CROP_PX
        window = (0.5 - 0.5 * np.cos(2 * math.pi * (position + 0.5) / CROP_PX))[:, None]
        transform = np.concatenate([np.cos(angle), np.sin(angle)], 1) * window
        self.register_buffer("transform", torch.from_numpy(transform.astype(np.float32)), persistent=False)

    def forward(self, crops: Tensor, images: int) -> Tensor:
        """(N, ·) from (N·K, 1, size, size)."""
        ways = [self._along(one, images) for one in (crops, crops.transpose(2, 3))]
        both = torch.stack(ways, 1)
        return torch.cat([both.amax(1), both.amin(1)], 1)

    def _along(self, crops: Tensor, images: int) -> Tensor:
        profiles = F.avg_pool2d(crops, (SEGMENT, 1))[:, 0]
        detail = _apart(profiles - F.avg_pool1d(profiles, 9, 1, 4, count_include_pad=False), images)
        real, imaginary = (profiles @ self.transform).chunk(2, 2)
        power = _apart(real * real + imaginary * imaginary + 1e-4, images)
        looks = []
        for spectrum in (power.mean((1, 2)).log(), power.log().mean((1, 2))):
            base = F.avg_pool1d(spectrum[:, None], 21, 1, 10, count_include_pad=False)[:, 0]
            bands = (spectrum - base).unflatten(1, (BANDS, -1))
            looks += [bands.amax(2), spectrum.unflatten(1, (BANDS, -1)).mean(2)]
        steady = detail.mean(2).abs()
        usual = detail.abs().mean((1, 2, 3)).clamp_min(1e-4)
        far = [steady.amax((1, 2)), detail.abs().amax((1, 2, 3)), steady.amax(2).mean(1), steady.mean((1, 2))]
        return torch.cat([*looks, torch.stack([_log(usual), *(_log(one / usual) for one in far)], 1)], 1)


def joined(groups: Mapping[str, Tensor]) -> Tensor:
    """All groups (N, ·) beside each other, in the order of their names."""
    return torch.cat([groups[name] for name in sorted(groups)], 1)


def sizes(groups: Mapping[str, Tensor]) -> dict[str, int]:
    """The number of features of each group, in the order of :func:`joined`."""
    return {name: int(cast("int", groups[name].shape[1])) for name in sorted(groups)}
