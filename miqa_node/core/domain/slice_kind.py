"""What a slice of a CT or MR series is, before any limit: one table, asked once for each slice.

Each kind says by which facts of the header it is known, whether limits apply to it, and which measurements mean
nothing for it. Measurements that mean nothing are not taken, so that no policy, however old, can flag by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from miqa_node.core.language.phrase import Phrase

Facts = Mapping[str, frozenset[str]]
"""Words of a header by what they are about, in capitals; :mod:`miqa_node.stages.measure.slice_facts` reads them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceKind:
    """One row: a slice is of the first kind of its modality of which one of the ``when`` holds.

    Each of ``when`` names facts, and for each of them the words of which the header must have one.
    """

    name: str
    title: str
    """In the plural."""
    modalities: tuple[str, ...] = ("CT", "MR", "PT")
    when: tuple[Facts, ...] = ()
    """Empty: always."""
    unjudged: str = ""
    """Why no limit applies, in words; empty if limits do."""
    is_picture: bool = True
    """Whether its pixels show one slice. Of others only what headers say is measured."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Measurements that mean nothing for it, each with the reason in words."""

    def covers(self, modality: str, facts: Facts) -> bool:
        """Whether the facts are those of the kind."""
        if modality not in self.modalities:
            return False
        if not self.when:
            return True
        return any(all(words & facts.get(name, NO_WORDS) for name, words in one.items()) for one in self.when)


NO_WORDS: frozenset[str] = frozenset()
YES = frozenset({"YES"})
SPECTRAL = frozenset(
    {
        "EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL", "MAT_MODIFIED", "MAT_REMOVED", "MAT_SPECIFIC",
        "MAT_VALUE_BASED", "VMI",
    }
)  # fmt: skip
"""Values of Image Type of multi-energy CT (PS3.3 C.8.2.1.1.1, C.8.15.3.1.1)."""
MAPS = frozenset(
    {
        "ADC", "CBF", "CBV", "COLFA", "EADC", "EXP_ADC", "FA", "MTT", "RCBF", "RCBV", "T1 MAP", "T2 MAP",
        "T2_STAR MAP", "TENSOR", "TRACEW", "TTP",
    }
)  # fmt: skip
"""Values of Image Type of maps, whoever calls them original (PS3.3 C.8.3.1.1.1, C.8.13.3.1.1; makers' own)."""
PAGES = frozenset(
    {
        "CT_SOM5 PROT", "CT_SOM7 PROT", "CT_SOM8 PROT", "DOSE", "DOSE REPORT", "DOSE_INFO", "DOSE_REPORT", "PROTOCOL",
        "REPORT", "SCREEN SAVE", "SCREENSAVE", "SCREENSHOT",
    }
)  # fmt: skip
"""Values of Image Type of what consoles draw: dose reports, protocols, screenshots (makers' own)."""
REFORMATS = frozenset(
    {
        "3D", "CPR", "CURVED", "MEAN_IP", "MIN_IP", "MINIP", "MIP", "MPR", "PARALLEL", "PERFUSION", "PROJECTION IMAGE",
        "RADIAL", "REFORMATTED", "RESAMPLED", "SSD", "SUBTRACTION", "TRACE", "VOLUME RENDERING", "VRT",
    }
)  # fmt: skip
"""The same of a DERIVED image (PS3.3 C.8.16.1). Of an ORIGINAL one they say nothing: some scanners call every oblique
plane MPR. Without one of them DERIVED may mean no more than another encoding."""
COMPUTED = Phrase(
    "The images were computed from others, as Image Type says: a reformat, a projection or a map. Noise and sharpness "
    "are those of the computation; the images that it was made from are judged."
)
_NOT_TRIED = Phrase("no limit was tried on this kind of image")
_COARSE = Phrase("coarse matrices have edges of anatomy at all frequencies")
_EPI_GHOST = Phrase("echo-planar images have a ghost of half the field by nature")
_KERNEL = Phrase("a sharp kernel raises noise by design")
_HEAD_FAT = Phrase("a head has too little fat")
_BONE_RINGS = Phrase("bone around the axis looks like rings")
_ECHO_PLANAR: Mapping[str, str] = {
    "mr_spikes": _COARSE,
    "mr_noise": _COARSE,
    "mr_ghost": _EPI_GHOST,
    "mr_gsr": _EPI_GHOST,
}
_CONE_BEAM: Mapping[str, str] = dict.fromkeys(
    (
        "ct_noise", "normalised_noise", "noise_for_dose", "noise_whiteness", "ring_index", "hu_air", "hu_fat",
        "hu_offset", "streak_direction",
    ),
    Phrase("values of cone-beam CT are no Hounsfield units"),
)  # fmt: skip
_SHARP: Mapping[str, str] = dict.fromkeys(
    ("ct_noise", "normalised_noise", "noise_for_dose", "noise_whiteness", "ring_index", "hu_fat"), _KERNEL
)


def _words(*words: str) -> frozenset[str]:
    return frozenset(words)


KINDS: tuple[SliceKind, ...] = (
    SliceKind(
        name="localizer",
        title=Phrase("localizers"),
        when=({"image_type": _words("LOCALIZER")},),
        unjudged=Phrase("The images are localizers."),
    ),
    SliceKind(
        name="page",
        title=Phrase("pages"),
        when=({"image_type": PAGES},),
        unjudged=Phrase("The images are pages, such as dose reports and screenshots, as Image Type says."),
        is_picture=False,
    ),
    SliceKind(
        name="mosaic",
        title=Phrase("mosaics"),
        modalities=("MR",),
        when=({"image_type": _words("MOSAIC", "VFRAME")}, {"tiles": YES}),
        unjudged=Phrase(
            "The images are mosaics: each shows all slices of a volume side by side. What is measured of a slice means "
            "nothing there."
        ),
        is_picture=False,
    ),
    SliceKind(
        name="computed",
        title=Phrase("computed images"),
        when=({"image_type": MAPS}, {"image_type": REFORMATS, "derived": YES}),
        unjudged=COMPUTED,
    ),
    SliceKind(
        name="phase",
        title=Phrase("phase, real and imaginary images"),
        modalities=("MR",),
        when=({"component": _words("PHASE", "REAL", "IMAGINARY")},),
        unjudged=Phrase("The images show phase, or real or imaginary parts: their values are no brightness of tissue."),
        is_picture=False,
    ),
    SliceKind(
        name="field map",
        title=Phrase("field maps"),
        modalities=("MR",),
        when=({"words": _words("FIELD MAP")},),
        unjudged=Phrase("The images are of a field map: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="flow",
        title=Phrase("phase contrast images"),
        modalities=("MR",),
        when=({"contrast": _words("FLOW_ENCODED")}, {"words": _words("FLOW")}),
        unjudged=Phrase("The images are of phase contrast: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="labelling",
        title=Phrase("images of spin labelling"),
        modalities=("MR",),
        when=({"image_type": _words("ASL")}, {"words": _words("LABELLING")}),
        unjudged=Phrase("The images are of spin labelling: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="angiography",
        title=Phrase("angiograms"),
        modalities=("MR",),
        when=({"angio": YES}, {"contrast": _words("TOF")}, {"words": _words("ANGIOGRAPHY")}),
        unjudged=Phrase("The images are angiograms: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="perfusion",
        title=Phrase("images of perfusion"),
        modalities=("MR",),
        when=({"contrast": _words("PERFUSION")}, {"words": _words("PERFUSION")}),
        unjudged=Phrase("The images are of perfusion: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="spectroscopy",
        title=Phrase("images of spectroscopy"),
        modalities=("MR",),
        when=({"image_type": _words("SPECTROSCOPY")},),
        unjudged=Phrase("The images are of spectroscopy: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="diffusion",
        title=Phrase("diffusion images"),
        modalities=("MR",),
        when=(
            {"diffusion": YES},
            {"image_type": _words("DIFFUSION")},
            {"contrast": _words("DIFFUSION")},
        ),
        without=_ECHO_PLANAR,
    ),
    SliceKind(
        name="echo-planar",
        title=Phrase("echo-planar images"),
        modalities=("MR",),
        when=({"sequence": _words("EP")},),
        without=_ECHO_PLANAR,
    ),
    SliceKind(
        name="structural",
        title=Phrase("structural images"),
        modalities=("MR",),
        when=(
            {"sequence": _words("SE", "IR", "GR")},
            {"contrast": _words("FLUID_ATTENUATED", "PROTON_DENSITY", "STIR", "T1", "T2", "T2_STAR")},
        ),
    ),
    SliceKind(
        name="other MR",
        title=Phrase("images of another kind"),
        modalities=("MR",),
        unjudged=Phrase("The header does not say what kind of MR image this is: {reason}.", reason=_NOT_TRIED),
    ),
    SliceKind(
        name="spectral",
        title=Phrase("spectral images"),
        modalities=("CT",),
        when=({"image_type": SPECTRAL}, {"rescale": _words("OTHER")}, {"words": _words("SPECTRAL")}),
        unjudged=Phrase(
            "The images are of spectral CT, or their values are no Hounsfield units of one voltage: what limits are "
            "made for is not what they show."
        ),
        is_picture=False,
    ),
    SliceKind(
        name="cone beam",
        title=Phrase("cone-beam images"),
        modalities=("CT",),
        when=({"words": _words("CONE BEAM")}, {"part": _words("JAW"), "kernel": _words("UNNAMED")}),
        without=_CONE_BEAM,
    ),
    SliceKind(
        name="lung kernel",
        title=Phrase("images of a lung kernel"),
        modalities=("CT",),
        when=({"kernel": _words("LUNG")},),
        without=_SHARP,
    ),
    SliceKind(
        name="bone kernel",
        title=Phrase("images of a bone kernel"),
        modalities=("CT",),
        when=({"kernel": _words("BONE")},),
        without=_SHARP,
    ),
    SliceKind(
        name="head",
        title=Phrase("slices of a head"),
        modalities=("CT",),
        when=({"part": _words("HEAD")},),
        without={"hu_fat": _HEAD_FAT, "ring_index": _BONE_RINGS},
    ),
    SliceKind(
        name="spine or limb",
        title=Phrase("slices of a spine or limb"),
        modalities=("CT",),
        when=({"part": _words("BONE")},),
        without={"ring_index": _BONE_RINGS},
    ),
    SliceKind(name="body", title=Phrase("slices of a body"), modalities=("CT",)),
    SliceKind(name="emission", title=Phrase("slices of PET"), modalities=("PT",)),
    SliceKind(name="", title=Phrase("images"), modalities=()),
)
"""In order of precedence, also where slices of several kinds form one stack."""
KIND_NAMES = tuple(one.name for one in KINDS if one.name)
UNKNOWN = KINDS[-1]
"""Of what is no slice of CT, MR or PET."""
_BY_NAME = {one.name: one for one in KINDS}


def kind_named(name: str) -> SliceKind:
    """The row of this name."""
    return _BY_NAME.get(name, UNKNOWN)


def kind_of(modality: str, facts: Facts) -> SliceKind:
    """The first row that covers a slice.

    >>> kind_of("MR", {"sequence": frozenset({"EP"}), "diffusion": YES}).name, kind_of("CT", {}).name
    ('diffusion', 'body')
    """
    return next((one for one in KINDS if one.covers(modality, facts)), UNKNOWN)


def kind_of_all(kinds: set[SliceKind]) -> SliceKind:
    """What slices of these kinds are together: volumes without diffusion are part of a diffusion series."""
    return min(kinds, key=KINDS.index, default=UNKNOWN)
