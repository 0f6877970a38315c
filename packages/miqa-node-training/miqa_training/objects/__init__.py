"""Trains the object network: what can be taken off, devices, and tubes on frontal chest radiographs, place by place."""
