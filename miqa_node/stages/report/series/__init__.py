"""What highdicom and SimpleITK add to the objects of a CT or MR series; the extra ``series`` installs both.

Only :mod:`~miqa_node.stages.report.series.extra` is loaded without them, the rest when a series has something to mark.
"""
