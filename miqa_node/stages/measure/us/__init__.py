"""Measurements of ultrasound, one file each; a clip is measured frame by frame.

Experimental: nothing is flagged, and nothing accepted. They follow what quality control of ultrasound looks at (AAPM
Ultrasound Task Group 1, Goodsitt et al., Med Phys 25, 1998; AIUM Routine Quality Assurance): uniformity and dead
elements, reverberations in air, depth of penetration. There it is done with a phantom; here on what was sent. The
picture is cut to its *sector*: the 2D tissue region of the Sequence of Ultrasound Regions (0018,6011), else all of
it; the largest grey part there, and its beams, as columns of equal length, from a straight or an arched transducer.
Coloured pixels take no part. Of a clip the median over its frames is taken: anatomy moves, a dead element does not.

Tried on stills and clips of GE LOGIQ 700, Philips CX50, EPIQ 5G and EPIQ 7C, SonoSite Turbo, Esaote 6100 and Aloka
SSD-4000, one or two each; faults were put into them (dead elements, bands, gain, frozen frames). *Weak*: `us_dropout`
on a still, where ribs, gas and poor contact at one side look like dead elements; `us_filled_depth`, which fluid and
shadows shorten, too; `us_bands`, which layers of muscle raise.
"""
