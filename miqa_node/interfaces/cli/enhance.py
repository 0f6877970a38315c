"""``miqa-node enhance``: writes a copy of an image with less noise or more contrast; the original is unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.files.whole_file import write_whole
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.picture import is_picture, picture_bytes, read_picture
from miqa_node.errors import DecodeError
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line
from miqa_node.local import digest_of
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.outputs.enhanced import make_enhanced
from miqa_node.stages.units.base import installed, unit_of

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", exists=True, dir_okay=False, help="DICOM, PNG or JPEG file.")],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", dir_okay=False, help="File to write: .dcm from DICOM (a derived image), or .png or .jpg."
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="learned, nlm, wavelet or bm3d against noise, clahe or multiscale for contrast; or a chain such as "
            "learned+multiscale. assess.enhance_method by default.",
        ),
    ] = "",
    difference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Also write the difference as a picture; gray means no change."
        ),
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Write an enhanced copy of an image.

    The copy is for viewing. The node itself always assesses the original.
    """
    settings = settings_of(config)
    quiet_logs(settings)
    _check_names(source, out, difference)

    with WorkerPool(settings) as pool:
        image = _read(source, pool)
        if image.radiograph.frames > 1:
            raise typer.BadParameter(f"{source.name} has {image.radiograph.frames} frames; single images are enhanced.")
        made = Enhancer(settings).enhance(image.radiograph, method)
    if out.suffix.lower() in DICOM_SUFFIXES:
        write_whole(out, _derived(source, image, made, settings.node.name))
    else:
        write_whole(out, picture_bytes(made.image.display, out.suffix, deep=image.header.bits_stored > 8))
    if difference is not None:
        write_whole(difference, picture_bytes(made.difference_picture, difference.suffix))
    if as_json:
        print_json({"file": str(source), "out": str(out), "methods": made.methods, "steps": made.steps})
        return
    for step in made.steps:
        print_line(step)


def _check_names(source: Path, out: Path, difference: Path | None) -> None:
    """Check the file names before anything is computed."""
    if out.suffix.lower() not in (*DICOM_SUFFIXES, *PICTURE_SUFFIXES):
        suffixes = ", ".join((*DICOM_SUFFIXES, *PICTURE_SUFFIXES))
        raise typer.BadParameter(f"{out.name} must end in one of {suffixes}, which decides the format.")
    if difference is not None and difference.suffix.lower() not in PICTURE_SUFFIXES:
        raise typer.BadParameter(f"--difference writes a picture; {difference.name} must end in .png or .jpg.")
    for name in (out, *([difference] if difference else [])):
        if name.exists() and name.samefile(source):
            raise typer.BadParameter("the enhanced copy may not replace the original; give another name.")
        if not name.parent.is_dir():
            raise typer.BadParameter(f"the folder {name.parent} for {name.name} does not exist.")


@dataclass(frozen=True, slots=True)
class _SourceImage:
    header: Header
    radiograph: Radiograph
    is_dicom: bool


def _read(source: Path, pool: WorkerPool) -> _SourceImage:
    if is_picture(source):
        return _SourceImage(*read_picture(source, modality="OT", body_part="", view=""), is_dicom=False)
    header, _ = read_header(source, relaxed=True)
    if not unit_of(header, installed()).is_image(header):
        raise DecodeError("The object is not an image.")
    return _SourceImage(header, pool.decode(source), is_dicom=True)


def _derived(source: Path, image: _SourceImage, made: EnhancedImage, node_name: str) -> bytes:
    if not image.is_dicom:
        raise typer.BadParameter("a picture has no patient or study for a DICOM object; use .png.")
    if image.header.samples_per_pixel > 1 or image.header.photometric_interpretation == "PALETTE COLOR":
        raise typer.BadParameter(
            "derived DICOM images are not made of colour images; use .png, which gets the luminance."
        )
    return make_enhanced(source, made, digest_of(source), ReportSettings(node_name=node_name)).data
