"""Measurements of ultrasound, a file for each question; a clip is measured frame by frame.

Experimental: nothing is flagged, and nothing accepted. They follow what quality control of ultrasound looks at (AAPM
Ultrasound Task Group 1, Goodsitt et al., Med Phys 25, 1998; AIUM Routine Quality Assurance): uniformity and dead
elements, reverberations in air, depth of penetration. There it is done with a phantom; here on what was sent. The
picture is cut to its *sector*: the 2D tissue region of the Sequence of Ultrasound Regions (0018,6011), else all of
it; the largest grey part there, and its beams, as columns of equal length, from a straight or an arched transducer.
Coloured pixels take no part. Of a clip the median over its frames is taken: anatomy moves, a dead element does not.

Tried on stills and clips of GE LOGIQ 700, Philips CX50, EPIQ 5G and EPIQ 7C, SonoSite Turbo, Esaote 6100 and Aloka
SSD-4000, one or two each. `us_dropout` can be taken of three of the eight, 7 to 26 %; three beams at a quarter of their
brightness give 74 and 75 % on two of them, and on the third it is left out then. A gain of 2.5 about doubles
`us_gain` everywhere. A clip frozen after 8 of 30 frames has 72 % in `frames_repeated`, but the unaltered clips of
SonoSite have 6 and 7 %. `us_calibrated_regions` is 0 on five of
eleven files: LOGIQ 700 and a drawn picture describe none, and two files were made smaller, or cut, without their
regions. *Weak*: `us_dropout` on a still, where ribs, gas and poor contact at one side look like dead elements;
`us_filled_depth`, which noise fills, and fluid and shadows shorten. `us_bands`, which was to tell a transducer in air,
is withdrawn: it said 63 % of one in air and 64 % of tissue.
"""
