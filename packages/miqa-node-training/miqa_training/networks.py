"""The quality network: a net over the global view, a smaller one and textures over the crops, class maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.texture import TextureNet

TEXTURE_PX = 96
"""Side of the part of a crop used for textures: the means hardly depend on the area, the time does. With whole crops
the network takes half as long again and finds simulated defects equally well (mean AUROC .914 both)."""
SHARPNESS = 4.0
"""Sharpness of the log-mean-exp that pools a class map, between the mean (0) and the maximum (infinite)."""

PLACES = 12
"""Most places of an image at which something that could be taken off is sought."""
NOWHERE = -15.0
"""Lowest logit of a place; all others than the chosen ones have it."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Channels of the stages, kept in the card so that a package can be trained further."""

    stem: int = 16
    global_stages: tuple[int, int, int, int] = (24, 48, 96, 160)
    neck: int = 64
    crop_stages: tuple[int, int, int] = (24, 48, 96)
    texture: int = 64


class ConvolutionBlock(nn.Module):
    """Two 3×3 convolutions with batch normalisation around a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, outputs, H / stride, W / stride)."""
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class GlobalNet(nn.Module):
    """Computes features at 1/32 and fused features at 1/8 of the size of the global view."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        a, b, c, d = widths.global_stages
        self.stem = _convolution(1, widths.stem, 5, 2)
        self.stage1 = ConvolutionBlock(widths.stem, a, 2)
        self.stage2 = nn.Sequential(ConvolutionBlock(a, b, 2), ConvolutionBlock(b, b))
        self.stage3 = nn.Sequential(ConvolutionBlock(b, c, 2), ConvolutionBlock(c, c))
        self.stage4 = nn.Sequential(ConvolutionBlock(c, d, 2), ConvolutionBlock(d, d))
        self.lateral2 = _convolution(b, widths.neck, 1, 1)
        self.lateral3 = _convolution(c, widths.neck, 1, 1)
        self.lateral4 = _convolution(d, widths.neck, 1, 1)
        self.smooth = _convolution(widths.neck, widths.neck, 3, 1)

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """(N, d, H/32, W/32) and (N, neck, H/8, W/8)."""
        fine = self.stage2(self.stage1(F.relu(self.stem(view))))
        middle = self.stage3(fine)
        deep = self.stage4(middle)
        fused = F.relu(self.lateral3(middle) + _twice(self.lateral4(deep)))
        fused = F.relu(self.lateral2(fine) + _twice(fused))
        return deep, F.relu(self.smooth(fused))


class CropNet(nn.Module):
    """Computes one feature vector per crop."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        a, b, c = widths.crop_stages
        self.stem = _convolution(1, widths.stem, 5, 2)
        self.stages = nn.Sequential(
            ConvolutionBlock(widths.stem, a, 2), ConvolutionBlock(a, b, 2), ConvolutionBlock(b, c, 2)
        )

    def forward(self, crops: Tensor) -> Tensor:
        """(N, c) from (N, 1, h, w)."""
        return cast("Tensor", self.stages(F.relu(self.stem(crops))).mean((2, 3)))


class QualityNet(nn.Module):
    """Logit, severity and a class map per class; see the graph's contract in the model card.

    A class's logit is a weighted sum of its pooled map (log-mean-exp), the deep global features, and the features and
    the texture of the crops (mean and root mean square over them, so their number does not matter). Classes in
    ``placed`` are decided by their map alone: from the whole image, a net would learn that bedside images have leads,
    not what a lead looks like.

    The first of two classes in ``placed`` can be taken off, the second cannot. Their maps find what does not belong to
    the body; then ``removable`` judges each of the strongest places by its own features, and the best place decides.
    Pooled over the whole map, one button among electrodes would not count.
    """

    context: Tensor
    taken_off: Tensor

    def __init__(self, classes: int, placed: Sequence[int] = (), widths: Widths | None = None) -> None:
        super().__init__()
        widths = widths or Widths()
        self.widths = widths
        self.global_net, self.crop_net = GlobalNet(widths), CropNet(widths)
        self.texture_net = TextureNet(widths.texture)
        self.evidence = nn.Conv2d(widths.neck, classes, 1)
        self.removable = nn.Conv2d(widths.neck, 1, 1)
        for logits in (self.evidence, self.removable):
            nn.init.constant_(cast("Tensor", logits.bias), -3.0)
        features = widths.global_stages[3] + 2 * widths.crop_stages[2]
        self.drop = nn.Dropout(0.1)
        self.classify = nn.Linear(features, classes, bias=False)
        self.grade = nn.Linear(features + classes, classes)
        # Separate from the two above and initialised to zero, so that a run can start from weights without this branch.
        self.texture = nn.Sequential(nn.Linear(2 * widths.texture, widths.texture), nn.ReLU())
        self.classify_texture = nn.Linear(widths.texture, classes, bias=False)
        self.grade_texture = nn.Linear(widths.texture, classes, bias=False)
        for silent in (self.classify_texture, self.grade_texture):
            nn.init.zeros_(silent.weight)
        self.map_weight = nn.Parameter(torch.ones(classes))
        self.bias = nn.Parameter(torch.zeros(classes))
        context = torch.ones(classes)
        context[list(placed)] = 0.0
        self.register_buffer("context", context)
        self.placed = tuple(placed)
        self.register_buffer(
            "taken_off", torch.arange(classes) == (self.placed[0] if self.placed else -1), persistent=False
        )
        self._has_fixed_view = False

    def fix_view(self) -> None:
        """Leave the global network and the maps as they are in all further training."""
        self._has_fixed_view = True
        self.global_net.eval()
        for part in (self.global_net, self.evidence, self.removable):
            part.requires_grad_(False)
        self.map_weight.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of training; normalisations of a fixed part keep their statistics."""
        super().train(mode)
        if self._has_fixed_view:
            self.global_net.eval()
        return self

    def forward(self, view: Tensor, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """``view`` (N, 1, H, W), ``crops`` (N·K, 1, h, w) in order of N.

        Returns logits (N, C), severity logits (N, C), map logits (N, C, H/8, W/8) and the taps ``deep``, ``fused``.
        """
        deep, fused = self.global_net(view)
        cells = self.evidence(fused)
        images = view.shape[0]
        each = self.crop_net(crops).float().unflatten(0, (images, -1))
        together = self.drop(torch.cat([deep.float().mean((2, 3)), *over_crops(each, 1)], 1))
        textures = self.textures(crops).reshape(images, -1, self.widths.texture)
        logits, severity = self.judge(together, textures, pool(cells.float()), self.at_places(cells, fused)[0])
        return logits, severity, cells, deep, fused

    def at_places(self, cells: Tensor, fused: Tensor) -> tuple[Tensor, Tensor]:
        """The logit (N, 1) of the best place of something that can be taken off, and its map of logits (N, 1, h, w).

        The map is low where there is no object at all.
        """
        objects = self.objects(cells)
        removable = self.removable(fused).float()
        best = torch.where(strongest_places(objects), removable, NOWHERE).amax((2, 3))
        return best, torch.minimum(removable, objects)

    def textures(self, crops: Tensor) -> Tensor:
        """Texture features (N, T) of crops (N, 1, h, w), from a part of each."""
        return cast("Tensor", self.texture_net(crops[..., :TEXTURE_PX, :TEXTURE_PX]))

    def objects(self, cells: Tensor) -> Tensor:
        """What does not belong to the body, removable or not: a map of logits (N, 1, h, w)."""
        return cells[:, list(self.placed) or slice(None)].amax(1, keepdim=True).float()

    def judge(self, together: Tensor, textures: Tensor, pooled: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and severity logits (N, C) of features (N, F), textures (N, K, T), pooled maps (N, C), best (N, 1)."""
        texture = self.texture(torch.cat(over_crops(textures, 1), 1).float())
        elsewhere = self.classify(together) + self.classify_texture(texture)
        decisive = torch.where(self.taken_off, best, pooled)
        logits = self.bias + self.context * elsewhere + self.map_weight * decisive
        severity = self.grade(torch.cat([together, pooled.detach()], 1)) + self.grade_texture(texture)
        return logits, severity


class ExportedNet(nn.Module):
    """The graph of a package: one image, its crops, and outputs as the card's contract names them.

    ``beside``, if given, turns the input ``numbers`` into what is added to logits and severity logits.
    """

    def __init__(self, net: QualityNet, beside: nn.Module | None = None) -> None:
        super().__init__()
        self.net, self.beside = net, beside

    def forward(
        self, global_view: Tensor, crops: Tensor, numbers: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Logits (1, C), severity in [0, 1] (1, C), maps in [0, 1] (1, C, H/8, W/8), taps."""
        net = self.net
        deep, fused = net.global_net(global_view)
        cells = net.evidence(fused)
        pooled = pool(cells)
        each, textures = net.crop_net(crops)[None], net.textures(crops)[None]
        together = torch.cat([deep.mean((2, 3)), *over_crops(each, 1)], 1)
        best, removable = net.at_places(cells, fused)
        logits, severity = net.judge(together, textures, pooled, best)
        if self.beside is not None:
            more, worse = self.beside(numbers)
            logits, severity = logits + more, severity + worse
        cells = torch.where(net.taken_off[:, None, None], removable, cells)
        return logits, severity.sigmoid(), cells.sigmoid(), deep, fused


def over_crops(features: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Mean and root mean square over the crops."""
    return features.mean(axis), (features * features).mean(axis).clamp_min(1e-6).sqrt()


def strongest_places(objects: Tensor) -> Tensor:
    """Which cells of maps (N, 1, h, w) are the highest within two cells, and among the PLACES highest of those."""
    peaks = objects >= F.max_pool2d(objects, 5, 1, 2)
    ranked = torch.where(peaks, objects, NOWHERE).flatten(1)
    least = ranked.topk(min(PLACES, ranked.shape[1])).values[:, -1]
    return peaks & (objects >= least[:, None, None, None])


def pool(cells: Tensor) -> Tensor:
    """Log-mean-exp of a map of logits, (N, C) from (N, C, h, w); the clamp keeps exp finite."""
    return (cells.clamp(-15.0, 15.0) * SHARPNESS).exp().mean((2, 3)).clamp_min(1e-20).log() / SHARPNESS


def _convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
