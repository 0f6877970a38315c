"""Measurements of runs, a file for each question: clips of ultrasound, and runs of angiography and fluoroscopy.

Experimental: nothing is flagged. Of runs of more than 400 frames 50 parts of 8 neighbouring frames are read. Tried on
two clips of SonoSite Turbo (30 and 120 frames) and a run of two frames of Philips CX50; no run of angiography was at
hand. `frames_repeated` is *weak* where a person froze the clip on purpose, and in a mask run without movement.
"""
