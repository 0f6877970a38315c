"""One process that runs the models of all workers, so that images of several studies share a run (ADR 12).

Workers send a graph once and then the inputs of their images; :mod:`~miqa_node.assess.inference.batches` puts what
arrives within some milliseconds into one run. Only this process uses the GPU.
"""
