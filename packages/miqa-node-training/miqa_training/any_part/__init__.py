"""The network for any radiograph: simulators in torch, sampler, network, fit, figures, package.

Its simulators share no code with :mod:`miqa_training.degrade`, which is kept for figures: a network that finds what it
has been trained on says little, one that finds what another program made says more.
"""
