"""Measurements of PET series, a file for each question.

Experimental: nothing is flagged. Beside what holds of any stack of slices, they say what standardised uptake values
need of the header, and whether its values can be right (QIBA profile FDG-PET/CT; NEMA NU 2 for what a scanner has to
do), and whether the body was cut off. Tried on 80 slices of a whole body of CPS 1023 and one slice of Siemens 1094.
*Weak*: `pt_truncation` of arms that lie beside the body.
"""
