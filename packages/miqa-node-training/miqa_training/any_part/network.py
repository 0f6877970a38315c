"""The network for any radiograph: a small global view, learned crops, textures in three octaves, spectra of profiles.

Noise, unsharpness and lines are seen where they are, at the picture's own pixels, by fixed filters and spectra whose
logarithms a few layers judge; about ninety pictures would not teach a network more than that.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.networks import CropNet, GlobalNet, Widths, over_crops, pool
from miqa_training.texture import LEAST_ENERGY, SIZE, filter_bank

WIDTHS = Widths(stem=12, global_stages=(16, 32, 64, 96), neck=32, crop_stages=(20, 40, 80), texture=48)
OCTAVES, CELL_PX, TEXTURE_PX = 3, 8, 96
SEGMENT, FIRST_BIN, LAST_BIN = 32, 6, 160
"""Rows (or columns) that make a profile, and the bins of its spectrum that are judged: 0.02 to 0.5 cycles a pixel."""
NUMBERS = 4
PEAK = 2.0
"""Sharpness of the log-mean-exp over cells."""


class PartTextureNet(nn.Module):
    """What log-energies of fixed filters tell, cell by cell and over all of them, a cell's brightness beside them."""

    filters: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        bank = torch.from_numpy(filter_bank())
        self.register_buffer("filters", bank)
        channels = OCTAVES * len(bank) + 1
        self.scale = nn.BatchNorm2d(channels)
        self.mix = nn.Conv2d(channels, features, 1)
        self.deepen = nn.Conv2d(features, features, 1)
        self.outputs = 2 * features + 2 * channels

    def each(self, crops: Tensor) -> Tensor:
        """(N, 2 features + 2 channels) of crops (N, 1, h, w): what :meth:`together` needs of each."""
        with torch.autocast(crops.device.type, enabled=False):
            scaled = self.scale(self.energies(crops))
            features = F.relu(self.deepen(F.relu(self.mix(scaled))))
            peaks = (features * PEAK).clamp(max=20.0).exp()
            return torch.cat([part.mean((2, 3)) for part in (features, peaks, scaled, scaled * scaled)], 1)

    def together(self, each: Tensor) -> Tensor:
        """(images, outputs) of (images, K, …): means and peaks of features, mean and spread of energies."""
        means = each.mean(1)
        features, channels = self.deepen.out_channels, self.scale.num_features
        feature, peak, mean, square = torch.split(means, [features, features, channels, channels], 1)
        spread = (square - mean * mean).clamp_min(1e-6).sqrt()
        return torch.cat([feature, peak.log() / PEAK, mean, spread], 1)

    def energies(self, crops: Tensor) -> Tensor:
        """(N, 3 B + 1, h/8, w/8), in single precision."""
        octave, maps = crops.float(), []
        for step in range(OCTAVES):
            answer = F.conv2d(octave, self.filters, padding=SIZE // 2)
            maps.append(F.avg_pool2d(answer * answer, CELL_PX >> step).clamp_min(LEAST_ENERGY).log())
            octave = F.avg_pool2d(octave, 2)
        return torch.cat([*maps, F.avg_pool2d(crops.float(), CELL_PX)], 1)


class SpectrumNet(nn.Module):
    """Lines: spectra of profiles over short segments, along rows and along columns, averaged over all of a picture."""

    transform: Tensor

    def __init__(self, size_px: int, features: int = 24) -> None:
        super().__init__()
        position = torch.arange(size_px, dtype=torch.float64)
        bins = torch.arange(FIRST_BIN, LAST_BIN, dtype=torch.float64)
        angle = 2 * math.pi * position[:, None] * bins[None] / size_px
        window = (0.5 - 0.5 * torch.cos(2 * math.pi * (position + 0.5) / size_px))[:, None]
        self.register_buffer("transform", (torch.cat([angle.cos(), angle.sin()], 1) * window).float())
        self.scale = nn.BatchNorm1d(2)
        self.first = nn.Conv1d(2, 16, 7, padding=3)
        self.second = nn.Conv1d(16, features, 5, padding=2)
        self.outputs = 4 * features + 8

    def each(self, crops: Tensor) -> Tensor:
        """(N, 2, …) of crops (N, 1, size, size), for profiles along both axes: what :meth:`together` needs of each."""
        with torch.autocast(crops.device.type, enabled=False):
            x = crops.float()
            lying = F.avg_pool2d(x.transpose(2, 3), (SEGMENT, 1))
            rows = torch.cat([F.avg_pool2d(x, (SEGMENT, 1)), lying], 2)[:, 0]
            detail = rows - F.avg_pool1d(rows, 9, 1, 4, count_include_pad=False)
            real, imaginary = (rows @ self.transform).chunk(2, 2)
            power = real * real + imaginary * imaginary
            highest, usual = detail.abs().amax(2), detail.abs().mean(2)
            return torch.stack([
                torch.cat([
                    power[:, part].mean(1), power[:, part].clamp_min(1e-6).log().mean(1), detail[:, part].mean(1),
                    highest[:, part].amax(1, keepdim=True),
                    (highest[:, part] / usual[:, part].clamp_min(1e-4)).mean(1, keepdim=True),
                ], 1)
                for part in (slice(None, rows.shape[1] // 2), slice(rows.shape[1] // 2, None))
            ], 1)  # fmt: skip

    def together(self, each: Tensor) -> Tensor:
        """(images, outputs) of (images, K, 2, …)."""
        with torch.autocast(each.device.type, enabled=False):
            looks = [self._direction(each[:, :, way]) for way in range(2)]
            features = torch.stack([one[0] for one in looks], 1)
            return torch.cat([features.amax(1), features.mean(1), *(one[1] for one in looks)], 1)

    def _direction(self, each: Tensor) -> tuple[Tensor, Tensor]:
        bins = LAST_BIN - FIRST_BIN
        power, mean_log = each[..., :bins].mean(1), each[..., bins : 2 * bins].mean(1)
        steps = each[..., 2 * bins : -2].mean(1).abs()
        spectra = self.scale(torch.stack([power.clamp_min(1e-6).log(), mean_log], 1))
        judged = F.relu(self.second(F.relu(self.first(spectra))))
        lines = torch.stack([
            steps.amax(1), steps.mean(1), each[..., -2].amax(1), each[..., -1].mean(1),
        ], 1).clamp_min(1e-4).log()  # fmt: skip
        return torch.cat([judged.amax(2), judged.mean(2)], 1), lines


class AnyPartNet(nn.Module):
    """Logit, severity and a map for each class; see the contract in the package's card."""

    def __init__(self, classes: int, crop_px: int, widths: Widths = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self.global_net, self.crop_net = GlobalNet(widths), CropNet(widths)
        self.texture_net, self.spectrum_net = PartTextureNet(widths.texture), SpectrumNet(crop_px)
        self.evidence = nn.Conv2d(widths.neck, classes, 1)
        nn.init.constant_(cast("Tensor", self.evidence.bias), -3.0)
        parts = (
            widths.global_stages[3], 2 * widths.crop_stages[2], self.texture_net.outputs, self.spectrum_net.outputs,
        )  # fmt: skip
        self.reduce = nn.ModuleList(
            nn.Sequential(nn.Linear(count, 48), nn.LayerNorm(48), nn.ReLU(), nn.Dropout(0.15)) for count in parts
        )
        together = 48 * len(parts) + NUMBERS + classes
        self.judge = nn.Sequential(nn.Linear(together, 96), nn.ReLU(), nn.Dropout(0.15))
        self.classify, self.grade = nn.Linear(96, classes), nn.Linear(96, classes)
        self.map_weight = nn.Parameter(torch.ones(classes))

    def forward(self, view: Tensor, crops: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        """``view`` (N, 1, H, W), ``crops`` (N·K, 1, h, w) in order of N, ``numbers`` (N, 4).

        Returns logits (N, C), severity logits (N, C), map logits (N, C, H/8, W/8) and the taps ``deep``, ``fused``.
        """
        deep, fused = self.global_net(view)
        cells = self.evidence(fused)
        images = numbers.shape[0]
        each = tuple(part.float().reshape(images, -1, *part.shape[1:]) for part in self.each(crops))
        logits, severity = self.judged(deep, cells, each, numbers)
        return logits, severity, cells, deep, fused

    def each(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is judged of each crop: learned features, textures, spectra."""
        start = (crops.shape[-1] - TEXTURE_PX) // 2
        centre = crops[..., start : start + TEXTURE_PX, start : start + TEXTURE_PX]
        return self.crop_net(F.avg_pool2d(crops, 2)), self.texture_net.each(centre), self.spectrum_net.each(crops)

    def judged(self, deep: Tensor, cells: Tensor, each: tuple[Tensor, ...], numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and severity logits of features of the view and of crops (N, K, …)."""
        features = (
            deep.float().mean((2, 3)), torch.cat(over_crops(each[0], 1), 1), self.texture_net.together(each[1]),
            self.spectrum_net.together(each[2]),
        )  # fmt: skip
        pooled = pool(cells.float())
        reduced = [layer(part) for layer, part in zip(self.reduce, features, strict=True)]
        together = self.judge(torch.cat([*reduced, numbers, pooled], 1))
        return self.classify(together) + self.map_weight * pooled, self.grade(together)


class ExportedAnyPartNet(nn.Module):
    """The graph of the package: one image, its crops, its numbers; outputs as the card's contract names them."""

    def __init__(self, net: AnyPartNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, global_view: Tensor, crops: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        """Logits (1, C), severity in [0, 1] (1, C), maps in [0, 1] (1, C, H/8, W/8), taps."""
        deep, fused = self.net.global_net(global_view)
        cells = self.net.evidence(fused)
        each = tuple(part[None] for part in self.net.each(crops))
        logits, severity = self.net.judged(deep, cells, each, numbers)
        return logits, severity.sigmoid(), cells.sigmoid(), deep, fused


def parameters(net: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in net.parameters())
