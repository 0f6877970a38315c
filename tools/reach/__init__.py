"""Which test reaches which function, and so which tests a change needs (docs/adr/0025-a-gate-that-chooses.md).

The night runs all tests with ``record``: each process of a test notes the functions of this repository that it calls
(``watch``). ``table`` packs that into one file of the repository. The gate compares the checkout with the commit of the
last full run on record (``changes``), and chooses the tests that reach what changed (``choose``).
"""
