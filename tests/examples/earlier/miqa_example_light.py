"""An object for destinations that name ``LIGHT`` in their ``objects``: a square in the colour of the verdict."""

import numpy as np
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.policy import Verdict
from miqa_node.report.instance import reference
from miqa_node.report.outputs.base import Draft, Output, OutputContext
from pydicom.sequence import Sequence

miqa_api = 1
SIDE = 64
COLOURS = {Verdict.ACCEPT: (30, 140, 60), Verdict.REVIEW: (230, 160, 20), Verdict.REJECT: (190, 30, 30)}
GREY = (128, 128, 128)


def make_light(context: OutputContext) -> Draft:
    """A Secondary Capture without compression (PS3.3 A.8.1). The same context gives the same bytes."""
    image = context.begin(OUTPUT)
    image.ConversionType = "WSD"
    image.PatientOrientation = image.Laterality = None
    image.SourceImageSequence = Sequence([reference(context.source.sop_class_uid, context.source.sop_instance_uid)])
    image.LossyImageCompression = "00"
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.BurnedInAnnotation = "NO"
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = 3, "RGB", 0
    image.Rows = image.Columns = SIDE
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    colour = COLOURS.get(context.disposition.verdict, GREY)
    image.add_new("PixelData", "OB", np.full((SIDE, SIDE, 3), colour, np.uint8).tobytes())
    return Draft(image)


OUTPUT = Output(
    kind=ResultKind("LIGHT"),
    modality="OT",
    series_number=9950,
    description="Quality light",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
    make=make_light,
    only_flagged=False,
)
