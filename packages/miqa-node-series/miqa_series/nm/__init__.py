"""Measurements of nuclear medicine, a file for each question.

Experimental: nothing is flagged. Planar and dynamic images of one object are measured frame by frame. Uniformity is
that of NEMA NU 1 (performance of gamma cameras), which is meant for a flood source: it is taken only of a frame that
is filled evenly, and left out of patients. Tried on one whole-body bone scan of GE Millennium MG, whose counts agree
within 1 % with Counts Accumulated (0018,0070), and whose ends the border cuts (`nm_truncation` 8 %); floods, dynamic
runs and other cameras were drawn. *Weak*: `nm_motion`, which takes a tracer that moves for a patient who does.
"""
