"""Text in the pixels of images: names, dates and numbers, read by a packaged recogniser (the extra ``text``).

Taken only of the kinds of images that `text.sources` names, by default captures, ultrasound and other colour images,
and only where the extra `text` is installed. [Text in the pixels](text-in-pixels.md) says what counts as text that may
identify, and how much of it is found. What was read is not kept: only how many lines of which kind, and where.
"""

# The recogniser is loaded by .reader alone, when the first image is searched.
