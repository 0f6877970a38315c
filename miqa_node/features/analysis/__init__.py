"""Analyses over all images of a site: reject analysis, monitoring of the model, and labels for training.

It reads the results of the stages from the store and is not part of an image's processing: nothing here delays or
changes an image.
"""
