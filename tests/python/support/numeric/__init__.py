"""The numeric suite: problems, references, comparers and the machinery that runs a backend.

Reading order: formats, problem, cases, reference, emulator, compare, memory, arena, runner.
Only memory, runner and page_probe import the library, so that the references and comparers
can be tried against wrong results (test_planted.py) without it.
"""
