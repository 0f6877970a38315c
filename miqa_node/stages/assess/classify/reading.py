"""The version of the way from a file to a package's input: decoding, presentation values and preprocessing.

A site's certificate for predictions counts cases that were read in one way. Raise the number with every change that
gives a package other pixels; ``tests/stages/assess/classify/test_reading_version.py`` fails until it is raised.
"""

READING = "1"
