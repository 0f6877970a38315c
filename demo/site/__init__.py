"""Makes a site after two months: images are sent to a real node, people decide, and then recorded times become past.

``python -m demo.site`` is what ``make site`` calls. ``plan`` says what is exposed where and when, ``radiographs`` and
``scans`` make the objects, ``making`` sends them and waits for verdicts, ``people`` decide over REST, ``past`` moves
what the node recorded within minutes to when it would have happened, and ``kept`` knows where the result lies.
"""
