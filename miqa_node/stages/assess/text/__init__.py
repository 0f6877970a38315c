"""Text in the pixels of images: names, dates and numbers, read by a packaged recogniser (the extra ``text``).

Only :mod:`~miqa_node.stages.assess.text.reader` loads it, when the first image is searched.
"""
