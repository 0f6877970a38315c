"""Faults of whole series, put into stacks of real files; each is made in two ways that share no code.

A measure that only finds one of the two has learned the maker and not the fault.
"""
