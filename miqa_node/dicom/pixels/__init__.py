"""Decodes images, and makes of them what models and people look at."""

from miqa_node.dicom.bytes import charsets

charsets.complete()
