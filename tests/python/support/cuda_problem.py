"""A problem whose arrays say that they are on CUDA; their memory does not exist."""

import small_problem
from dlpack_producer import CudaInterface


def cuda_problem(**options):
    """Returns the inputs by name, as arrays with a CUDA array interface."""
    arrays = small_problem.inputs()
    return {
        name: CudaInterface(array.dtype, array.shape, **options) for name, array in arrays.items()
    }
