"""Makes the enhanced copy of a decoded image with the methods that a site or a person chose."""

from __future__ import annotations

from functools import cached_property

from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.settings import Settings
from miqa_node.stages.assess.enhance.denoiser import DenoiserPackage, newest_denoiser
from miqa_node.stages.assess.enhance.methods import METHODS, Function, Purpose, parse_methods
from miqa_node.stages.assess.enhance.plane import plane_of

SMALLEST_SIDE_PX = 32


class Enhancer:
    """Methods by name; the package of the learned method is opened and checked at its first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def enhance(self, radiograph: Radiograph, methods: str = "") -> EnhancedImage:
        """The copy, and its difference from the source; ``methods`` is a chain, by default that of the settings.

        Raises
        ------
        SettingsError
            There is no method of that name.
        ModelPackageError
            The learned method is used and its package is missing or altered.
        """
        chain = parse_methods(methods or self._settings.assess.enhance_method)
        plane = plane_of(radiograph)
        levels, steps = plane.levels, []
        for method in chain:
            if min(levels.shape) < SMALLEST_SIDE_PX:
                steps.append(f"{method.name}: left as it is, smaller than {SMALLEST_SIDE_PX} pixels")
                continue
            levels, words = self.function(method.name)(levels)
            steps.append(words)
        result = plane.back(levels, tuple(steps))
        learned = self._package.identity if any(method.function is None for method in chain) else None
        denoised = any(method.purpose is Purpose.DENOISE for method in chain)
        enhanced = any(method.purpose is Purpose.CONTRAST for method in chain)
        names = tuple(method.name for method in chain)
        return EnhancedImage(radiograph, result, names, tuple(steps), denoised, enhanced, learned)

    def function(self, name: str) -> Function:
        """The function of one method."""
        return METHODS[name].function or self._package.graph.denoise

    @cached_property
    def _package(self) -> DenoiserPackage:
        return newest_denoiser(self._settings)
