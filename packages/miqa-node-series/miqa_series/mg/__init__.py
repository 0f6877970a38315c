"""Measurements of mammography, a file for each question.

Experimental: nothing is flagged, and no verdict is given on positioning. They follow the technical part of image
review in mammography (IAEA Human Health Series 17, Quality Assurance Programme for Digital Mammography, 2011; PGMI
criteria of positioning): compression and exposure as the header says them, what the border cuts off, the pectoral
muscle and the posterior nipple line as lengths. The breast is what is brighter than the air beside it, and connected
with one side of the picture, the chest wall. Tried on digitised films alone, the four views of two women (CBIS-DDSM)
and a mediolateral oblique one of unknown make; no detector was at hand. *Weak*: `mg_pectoral_length` and
`mg_nipple_line` of oblique views, which take the muscle's edge for straight; `mg_border_contact` of films, whose
labels and edges are bright. Views of a study are [compared in pairs](../explanation/mammogram-pairs.md).
"""
