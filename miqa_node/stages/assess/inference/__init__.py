"""One process that runs the models of all workers, so that images of several studies share a run (ADR 12).

Workers send a graph once and then the inputs of their images; stages/assess/inference/batches.py puts what
arrives within some milliseconds into one run. Only this process uses the GPU.
"""
