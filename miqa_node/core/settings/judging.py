"""How images are decoded and judged: decoding, models, captions, text in pixels and the policy."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretStr

from miqa_node.core.domain.pixel_text import TextImageKind
from miqa_node.core.settings.base import Count, Seconds, SettingsTable, written
from miqa_node.errors import InputError

if TYPE_CHECKING:
    from miqa_node.core.taxonomy.anatomy import Anatomy

PublicKey = Annotated[str, written(r"[A-Za-z0-9+/]{43}=", "the public key that miqa-node models sign prints")]
"""The 32 bytes of an Ed25519 public key in base64."""
SiteWords = dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=64)]]
"""What a header writes, and the term or the words that it means."""
NamePatterns = tuple[Annotated[str, Field(min_length=1, max_length=64)], ...]


class ImagingSettings(SettingsTable):
    """Table ``[imaging]``."""

    max_pixels: Count
    body_parts: SiteWords
    views: SiteWords
    phantom_ids: NamePatterns
    phantom_names: NamePatterns

    @cached_property
    def anatomy(self) -> Anatomy:
        """How headers name body parts and views here."""
        # The vocabularies are large, and only what reads headers needs them.
        from miqa_node.core.taxonomy.anatomy import PhantomNames, anatomy_of  # noqa: PLC0415

        return anatomy_of(self.body_parts, self.views, PhantomNames(self.phantom_ids, self.phantom_names))


class SaliencyMethod(StrEnum):
    """How the place of a finding is shown; docs/explanation/saliency.md compares them."""

    CLASS_MAP = "class_map"
    OBJECT_MAP = "object_map"
    NORMGRAD_BIAS = "normgrad_bias"
    NORMGRAD_SCALING = "normgrad_scaling"
    NORMGRAD_CONV1X1 = "normgrad_conv1x1"
    NORMGRAD_CONV3X3 = "normgrad_conv3x3"
    NORMGRAD_COMBINED = "normgrad_combined"
    GRADCAM = "gradcam"
    LAYERCAM = "layercam"
    OCCLUSION = "occlusion"


class AssessSettings(SettingsTable):
    """Table ``[assess]``."""

    models_dir: str
    shipped_packages: bool
    quality_package: str
    landmarks_package: str
    objects_package: str
    any_radiograph_package: str
    trusted_keys: tuple[PublicKey, ...]
    require_signatures: bool
    intra_op_threads: Count
    inference_process: Literal["auto", "on", "off"]
    batch_size: Annotated[int, Field(ge=1, le=256)]
    saliency_threshold: Annotated[float, Field(gt=0, lt=1)]
    saliency_method: SaliencyMethod
    saliency_method_objects: SaliencyMethod
    saliency_timeout_s: Seconds
    min_confidence: Annotated[float, Field(ge=0, le=1)]
    max_percentile: Annotated[float, Field(ge=0, le=100)]
    enhance_method: Annotated[
        str, written(r"[a-z0-9]+(\+[a-z0-9]+)*", "the names of methods with + between, such as bm3d+clahe")
    ]
    follow_interval_s: Seconds
    shadow_timeout_s: Seconds
    shadow_memory_bytes: Count


class CaptionBackend(StrEnum):
    """The describer of images in sentences; the node's own templates always run."""

    OFF = "off"
    PACKAGE = "package"
    HTTP = "http"


class CaptionSettings(SettingsTable):
    """Table ``[caption]``."""

    backend: CaptionBackend
    package: str
    url: str
    token: SecretStr
    long_side_px: Annotated[int, Field(ge=32, le=4096)]
    timeout_s: Seconds


class TextSettings(SettingsTable):
    """Table ``[text]``."""

    sources: tuple[TextImageKind, ...]
    file_limit_s: Seconds


class PolicySettings(SettingsTable):
    """Table ``[policy]``."""

    file: str
    silent_days: Annotated[int, Field(ge=0, le=366)]
    learn_images: Annotated[int, Field(ge=0, le=1000)]
    learn_days: Annotated[int, Field(ge=1, le=30)]
    learn_at_most_days: Annotated[int, Field(ge=1, le=366)]
    room_budget: Annotated[float, Field(gt=0, le=0.5)]
    confirm_first: bool

    def images_to_learn(self) -> int:
        """From how many images a room learns; InputError if rooms learn from none."""
        if not self.learn_images:
            raise InputError("Rooms learn nothing, as policy.learn_images is 0. Set from how many images they learn.")
        return self.learn_images
