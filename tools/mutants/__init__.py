"""Measures what the tests notice: small faults are put into miqa_node, one at a time, and the tests must fail.

``python -m tools.mutants`` works on a copy of a commit, never on the checkout, in four steps whose files lie in one
folder, so that each can be stopped and resumed:

1. ``trace`` chooses mutants by a seed, puts a mark at each into the copy, and runs the tests once. A mark is a byte of
   a mapped file, which child processes share; after each test it says which mutants the test reached. That tells what
   contexts of a coverage run would tell, costs next to nothing, and is narrower: a test that executes the line but
   never evaluates the mutated expression cannot notice it. What runs only while modules are imported belongs to no
   test, in a coverage run neither, so mutants lie inside functions.
2. ``kill`` runs, for each mutant, the tests that reached it: the quick suite first, then the others, the cheapest file
   first, until one fails or a minute of processor time is spent on either. A failure counts if it comes twice.
3. ``share`` says what part of the mutants that all tests kill the quick suite kills alone.
4. ``compare`` names the mutants that were killed in one folder and survive in another.
"""
