"""Measurements of angiography and fluoroscopy, a file for each question; what holds of any run is with the runs.

Experimental: nothing is flagged. Tried on one head with contrast medium of an image intensifier of unknown make;
fields and saturation were put into it. *Weak*: `xa_field_share`, which takes a dark part of the body at the border
for a collimator, and `xa_saturated_share`, which direct beam beside the body raises, too.
"""
