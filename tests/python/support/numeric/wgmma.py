"""Hopper's FP8 wgmma to the bit, and the error it makes on random data.

One instruction adds 32 products to an accumulator. The products and the accumulator are cut toward
zero to multiples of q = 2^(e - 13), where e is the largest exponent among them (of a product: the
sum of its operands' exponents, a subnormal operand counting with the smallest normal one). Their
exact sum is cut toward zero to 13 fraction bits of its own. Compared with the instruction on an
H200: all bits of 24 problems of 1024 sums, of one, two and four instructions, in all type pairs;
test_wgmma_hardware.py repeats and extends the comparison where a Hopper GPU is there.
"""

import numpy as np

from numeric.formats import decode
from numeric.problem import Problem

FRACTION_BITS = 13
STEP_K = 32
SMALLEST_EXPONENT = {"float8_e4m3fn": -6, "float8_e5m2": -14}
NO_EXPONENT = -2000  # of zero: below that of any number


def exponent(value: np.ndarray) -> np.ndarray:
    """floor(log2 |value|)."""
    return np.where(value == 0, NO_EXPONENT, np.frexp(value)[1] - 1)


def operand_exponent(value: np.ndarray, dtype: str) -> np.ndarray:
    return np.where(value == 0, NO_EXPONENT, np.maximum(exponent(value), SMALLEST_EXPONENT[dtype]))


def steps(a: np.ndarray, b: np.ndarray, pair: tuple[str, str]):
    """Yields (products, accumulator, q, next accumulator) of each instruction of a k block.

    Products have shape (rows of a, rows of b, 32), the others (rows of a, rows of b).
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    a_exponent, b_exponent = operand_exponent(a, pair[0]), operand_exponent(b, pair[1])
    accumulator = np.zeros((a.shape[0], b.shape[0]))
    for begin in range(0, a.shape[1], STEP_K):
        ks = slice(begin, begin + STEP_K)
        products = a[:, None, ks] * b[None, :, ks]
        exponents = a_exponent[:, None, ks] + b_exponent[None, :, ks]
        largest = np.maximum(exponents.max(axis=-1), exponent(accumulator))
        q = np.ldexp(1.0, np.maximum(largest, -900) - FRACTION_BITS)
        total = (np.trunc(products / q[..., None]).sum(axis=-1) + np.trunc(accumulator / q)) * q
        own_q = np.ldexp(1.0, np.maximum(exponent(total), -900) - FRACTION_BITS)
        following = np.trunc(total / own_q) * own_q
        yield products, accumulator, q, following
        accumulator = following


def block_sum(a: np.ndarray, b: np.ndarray, pair: tuple[str, str]) -> np.ndarray:
    """The sums of a k block that starts from zero; arguments as in numeric.emulator."""
    result = np.zeros((a.shape[0], b.shape[0]))
    for _, _, _, result in steps(a, b, pair):  # noqa: B007
        pass
    return result.astype(np.float32)


def inner_error(problem: Problem) -> np.ndarray:
    """Three standard deviations of the error of all k blocks together, shape (cum_m, n).

    Every cut is taken as an independent error of at most q (a product or accumulator below q is
    lost as a whole), which holds for data of random sign.
    """
    variance = np.zeros((problem.cum_m, problem.n))
    columns = problem.scale_columns()
    pair = (problem.a_dtype, problem.b_dtype)
    for group, begin, end in problem.groups():
        scale_rows = problem.scale_rows(begin, end)
        for block, ks in problem.k_blocks():
            a = decode(problem.a[begin:end, ks], problem.a_dtype)
            b = decode(problem.b[group, :, ks], problem.b_dtype)
            a_scale = problem.a_scale[scale_rows, block].astype(np.float64)
            b_scale = problem.b_scale[group, columns, block].astype(np.float64)
            cuts = np.zeros((end - begin, problem.n))
            for products, accumulator, q, following in steps(a, b, pair):
                cuts += (np.minimum(np.abs(products), q[..., None]) ** 2).sum(axis=-1)
                cuts += np.minimum(np.abs(accumulator), q) ** 2
                cuts += (2.0**-FRACTION_BITS * following) ** 2
            variance[begin:end] += np.outer(a_scale, b_scale) ** 2 * cuts
    return 3 * np.sqrt(variance)
