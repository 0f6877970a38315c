"""Finds phantoms and their parts on slices of CT and MR, by the pixels; needs numpy and OpenCV. See README.md."""
