"""Operations on one picture as a torch tensor (rows, columns) on any device: what samplers and simulators are built of.

Values are display values from 0 (black) to 1 (white); the exposure behind one is ``10 ** (-LATITUDE_DECADES * d)``.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.degrade.physics import LATITUDE_DECADES

LN_RANGE = LATITUDE_DECADES * math.log(10.0)
MARGIN = 72
"""Mirrored pixels around a picture that is filtered in the Fourier domain."""
SMALLEST_SHARE, NORMAL_MEAN = 0.8, 0.5586
QUANTILE_SAMPLE = 40_000


def exposure(image: Tensor) -> Tensor:
    """Relative exposure in [0.01, 1]."""
    return torch.exp(image * -LN_RANGE)


def display(relative_exposure: Tensor) -> Tensor:
    """Display values in [0, 1] of a relative exposure."""
    return (relative_exposure.clamp_min(1e-6).log() * (-1.0 / LN_RANGE)).clamp(0.0, 1.0)


def quantile(image: Tensor, shares: tuple[float, ...]) -> list[float]:
    """Quantiles of a sample of the pixels."""
    step = max(1, round(math.sqrt(image.numel() / QUANTILE_SAMPLE)))
    sample = image[::step, ::step].flatten()
    return cast("list[float]", torch.quantile(sample, torch.tensor(shares, device=image.device)).tolist())


class Spectrum:
    """The Fourier transform of a picture with mirrored margins; :meth:`filtered` gives pictures back."""

    def __init__(self, image: Tensor) -> None:
        rows, columns = image.shape
        self._shape, self._margin = (rows, columns), (min(MARGIN, rows - 1), min(MARGIN, columns - 1))
        top, left = self._margin
        # Sizes that are multiples of 16 are transformed several times faster than prime ones.
        bottom, right = min(top + -(rows + 2 * top) % 16, rows - 1), min(left + -(columns + 2 * left) % 16, columns - 1)
        whole = F.pad(image[None, None], (left, right, top, bottom), mode="reflect")[0, 0]
        self._size = (int(whole.shape[0]), int(whole.shape[1]))
        self.values = torch.fft.rfft2(whole)
        self.down = torch.fft.fftfreq(self._size[0], device=image.device)[:, None]
        """Frequencies along the rows' axis in cycles per pixel, (H, 1)."""
        self.across = torch.fft.rfftfreq(self._size[1], device=image.device)[None, :]

    @property
    def radius(self) -> Tensor:
        """Frequency in cycles per pixel."""
        return torch.sqrt(self.down**2 + self.across**2)

    def filtered(self, transfer: Tensor) -> Tensor:
        """The picture after a filter with this transfer function."""
        whole: Tensor = torch.fft.irfft2(self.values * transfer, s=self._size)
        (rows, columns), (top, left) = self._shape, self._margin
        return whole[top : top + rows, left : left + columns].contiguous()

    def along_path(self, x_px: Tensor, y_px: Tensor, weights: Tensor) -> Tensor:
        """Transfer function of a path through these positions, exact below one pixel."""
        vertical = torch.polar(weights[:, None].expand(-1, self._size[0]), -2 * math.pi * y_px[:, None] * self.down.T)
        horizontal = -2 * math.pi * x_px[:, None] * self.across
        return torch.matmul(vertical.T, torch.polar(torch.ones_like(horizontal), horizontal))


def gaussian(image: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur, exact below one pixel."""
    spectrum = Spectrum(image)
    return spectrum.filtered(torch.exp(-2.0 * (math.pi * sigma_px) ** 2 * (spectrum.down**2 + spectrum.across**2)))


def low_pass(image: Tensor, size_px: float) -> Tensor:
    """Structures larger than about ``size_px``, computed on a reduced picture."""
    rows, columns = image.shape
    factor = max(1.0, size_px / 3.0)
    small = (max(8, round(rows / factor)), max(8, round(columns / factor)))
    low = gaussian(resized(image, small), 3.0 * size_px / (3.0 * factor) / 2.0)
    return F.interpolate(low[None, None], (rows, columns), mode="bilinear", align_corners=False)[0, 0]


def resized(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """Another size: each axis reduced by area as the node does it (OpenCV's INTER_AREA), or enlarged linearly."""
    rows, columns = image.shape
    if shape[0] >= rows or shape[1] >= columns:
        mode = F.interpolate(image[None, None], shape, mode="bilinear", align_corners=False, antialias=True)
        return mode[0, 0]
    return _areas(rows, shape[0], image.device) @ image @ _areas(columns, shape[1], image.device).T


def _areas(before: int, after: int, device: torch.device) -> Tensor:
    """(after, before): the share of each old pixel in each new one."""
    edges = torch.arange(after + 1, device=device, dtype=torch.float64) * (before / after)
    pixels = torch.arange(before, device=device, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels[None] + 1) - torch.maximum(edges[:-1, None], pixels[None])
    return (overlap.clamp_min(0.0) * (after / before)).float()


def moved(image: Tensor, right_px: float, down_px: float, degrees: float, outside: str = "reflection") -> Tensor:
    """The picture turned about its centre and moved, by cubic interpolation."""
    rows, columns = image.shape
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = torch.tensor(
        [
            [cos, -sin * rows / columns, -2.0 * right_px / columns],
            [sin * columns / rows, cos, -2.0 * down_px / rows],
        ],
        device=image.device,
    )
    grid = F.affine_grid(matrix[None], [1, 1, rows, columns], align_corners=False)
    return F.grid_sample(image[None, None], grid, "bicubic", outside, align_corners=False)[0, 0].clamp(0.0, 1.0)


def noise_deviation(image: Tensor) -> Tensor:
    """Standard deviation of the grain, a tensor without axes: Immerkær's mask, mean of the smaller four fifths."""
    x = image[1:-1:2]
    along = x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:]
    above, below = image[:-2:2], image[2::2]
    count = min(len(above), len(x), len(below))
    second = [a[:, :-2] - 2 * a[:, 1:-1] + a[:, 2:] for a in (above[:count], below[:count])]
    answer = (second[0] + second[1] - 2 * along[:count]).abs()
    step = max(1, round(math.sqrt(answer.numel() / QUANTILE_SAMPLE)))
    sample = answer[::step, ::step].flatten().sort().values
    return sample[: max(1, int(SMALLEST_SHARE * len(sample)))].mean() / (6.0 * NORMAL_MEAN)


def split(image: Tensor) -> tuple[Tensor, Tensor]:
    """(signal, grain), whose sum is the picture: a local Wiener filter."""
    mean = F.avg_pool2d(image[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
    square = F.avg_pool2d((image * image)[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
    local = (square - mean * mean).clamp_min(1e-12)
    signal = mean + (local - noise_deviation(image) ** 2).clamp_min(0.0) / local * (image - mean)
    return signal, image - signal


def coded(image: Tensor, quality: float) -> Tensor:
    """The losses of a JPEG of this quality: 8 × 8 cosine transforms, rounded by libjpeg's scaled luminance table."""
    rows, columns = image.shape
    padded = F.pad(image[None, None], (0, -columns % 8, 0, -rows % 8), mode="replicate")[0, 0]
    high, wide = padded.shape[0] // 8, padded.shape[1] // 8
    blocks = padded.reshape(high, 8, wide, 8).permute(0, 2, 1, 3) * 255.0 - 128.0
    basis = _cosines().to(image.device)
    scale = 5000.0 / quality if quality < 50 else 200.0 - 2.0 * quality
    table = ((LUMINANCE.to(image.device) * scale + 50.0) / 100.0).floor().clamp(1.0, 255.0)
    rounded = torch.round(basis @ blocks @ basis.T / table) * table
    back = (basis.T @ rounded @ basis + 128.0).round().clamp(0.0, 255.0) / 255.0
    return back.permute(0, 2, 1, 3).reshape(padded.shape)[:rows, :columns].contiguous()


def _cosines() -> Tensor:
    n = torch.arange(8, dtype=torch.float32)
    basis = torch.cos(math.pi * n[:, None] * (n[None] + 0.5) / 8.0) * 0.5
    basis[0] *= math.sqrt(0.5)
    return basis


LUMINANCE = torch.tensor([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
], dtype=torch.float32)  # fmt: skip
"""Table K.1 of ITU-T T.81."""
