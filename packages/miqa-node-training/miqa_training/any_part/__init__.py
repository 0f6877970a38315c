"""The network for any radiograph: simulators in torch, sampler, known features, a fitted head, figures, package.

It learns from two families of simulators that share no code: this one and :mod:`miqa_training.degrade`. A third,
:mod:`~miqa_training.any_part.kept`, makes the defects of all figures and is never learned from.
"""
