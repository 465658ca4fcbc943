"""cudaDeviceReset() between two calls of a process: the second one is right, too.

The reset takes modules and the limits of their kernels with it, which the library set once.
"""

import textwrap

from numeric.process import run_python

PROGRAM = """
    import gc, sys
    from cuda.bindings import runtime
    from numeric.cases import Case, exact_problem
    from numeric.compare import assert_exact
    from numeric.runner import Runner

    def multiply():
        runner = Runner(sys.argv[1])
        for rows in ((1, 0, 3), (40, 70, 129), (1500, 1027)):  # tiles of different kernels
            problem = exact_problem(runner.fit(Case(rows, 264, 400)))
            assert_exact(problem, runner.run(problem))

    for _ in range(3):
        multiply()
        gc.collect()  # memory is freed before the device forgets it
        (status,) = runtime.cudaDeviceReset()
        assert status == runtime.cudaError_t.cudaSuccess, status
    multiply()
"""


def test_calls_after_a_reset_of_the_device(gpu_backend):
    run_python("-c", textwrap.dedent(PROGRAM), gpu_backend.name)
