"""Measurements of CT, MR, PET, ultrasound, mammography, nuclear medicine and angiography, and of stacks and captures.

A measurement is a module in the folder of its modality; the node finds it there by the entry point of the folder.
"""
