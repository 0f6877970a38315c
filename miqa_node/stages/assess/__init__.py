"""Runs the models of packages on images and series."""
