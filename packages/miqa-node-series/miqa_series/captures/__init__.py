"""Measurements of secondary captures, a file for each question: dose sheets, screenshots, scanned paper, films.

Experimental: nothing is flagged. A capture gets no verdict, since nothing in its header says how it was made; these
numbers only say whether there is anything to see, and whether it can be read. Tried on the captures among the test
files of pydicom and other projects, and on a fused PET-CT picture of Siemens. *Weak*: `capture_detail` of photographs
and digitised films, which have few hard edges without a fault.
"""
