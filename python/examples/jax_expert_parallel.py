"""Expert parallelism in JAX: every device holds some of the experts and sees all tokens.

    python python/examples/jax_expert_parallel.py --devices 2

With jax.shard_map each device multiplies the rows of its own experts, and a sum over the devices
puts the rows together. The result is compared with that of one device. CPUs count as one device
unless the environment says XLA_FLAGS=--xla_force_host_platform_device_count=2.
"""

import argparse
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from groupgemm_fp8 import quantize_groupwise
from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise

Arrays = dict[str, np.ndarray[Any, Any]]

# Experts are split over the mesh axis of that name, everything else is on every device.
SPECS = {"a": P(), "b": P("experts"), "a_scale": P(), "b_scale": P("experts"), "m_indptr": P()}


def local_experts(
    a: jax.Array, b: jax.Array, a_scale: jax.Array, b_scale: jax.Array, m_indptr: jax.Array
) -> jax.Array:
    """The product of all tokens, computed where this device has the expert; (cum_m, n)."""
    num_local = b.shape[0]
    first = jax.lax.axis_index("experts") * num_local
    bounds = jax.lax.dynamic_slice(m_indptr, (first,), (num_local + 1,))
    # Groups need not start at row 0 nor end at the last: the bounds are those of all tokens.
    out = group_gemm_fp8_nt_groupwise(a, b, a_scale, b_scale, bounds)
    row = jnp.arange(a.shape[0])[:, None]
    out = jnp.where((bounds[0] <= row) & (row < bounds[-1]), out, 0)  # the rest is unspecified
    summed: jax.Array = jax.lax.psum(out, "experts")
    return summed


def expert_parallel(devices: list[jax.Device], arrays: Arrays) -> jax.Array:
    """The product on several devices, with the experts split between them."""
    mesh = Mesh(np.array(devices), ("experts",))
    placed = [jax.device_put(x, NamedSharding(mesh, SPECS[name])) for name, x in arrays.items()]
    product = jax.shard_map(local_experts, mesh=mesh, in_specs=tuple(SPECS.values()), out_specs=P())
    out: jax.Array = jax.jit(product)(*placed)
    return out


def one_device(device: jax.Device, arrays: Arrays) -> jax.Array:
    """Computes the product on one device that has all experts."""
    placed = [jax.device_put(x, device) for x in arrays.values()]
    out: jax.Array = jax.jit(group_gemm_fp8_nt_groupwise)(*placed)
    return out


def problem(rows: int, experts: int, n: int, k: int, seed: int = 0) -> Arrays:
    """Routed tokens and experts in FP8 as NumPy arrays, by the names of the arguments."""
    rng = np.random.default_rng(seed)
    bounds = np.sort(rng.integers(0, rows + 1, experts - 1))
    a, a_scale = quantize_groupwise(rng.standard_normal((rows, k), dtype=np.float32), (1, 128))
    weights = rng.standard_normal((experts, n, k), dtype=np.float32)
    b, b_scale = quantize_groupwise(weights, (128, 128))
    m_indptr = np.array([0, *bounds, rows], np.int32)
    return {"a": a, "b": b, "a_scale": a_scale, "b_scale": b_scale, "m_indptr": m_indptr}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=2, help="how many devices of JAX to use")
    parser.add_argument("--experts", type=int, default=8, help="a multiple of --devices")
    parser.add_argument("--rows", type=int, default=256, help="tokens routed to all experts")
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--k", type=int, default=512)
    options = parser.parse_args()
    if options.experts % options.devices:
        parser.error(f"--experts: got {options.experts}, wanted a multiple of {options.devices}")
    devices = jax.devices()[: options.devices]
    if len(devices) < options.devices:
        parser.error(f"--devices: got {options.devices}, but JAX has {len(devices)}")

    arrays = problem(options.rows, options.experts, options.n, options.k)
    out = expert_parallel(devices, arrays)
    wanted = one_device(devices[0], arrays)
    equal = int((np.asarray(out) == np.asarray(wanted)).sum())
    print(f"devices   {len(devices)} x {devices[0].device_kind}, JAX {jax.__version__}")
    print(f"experts   {options.experts}, {options.experts // len(devices)} on each device")
    print(f"product   {options.rows} rows, n {options.n}, k {options.k}, {out.dtype} output")
    print(f"elements  {equal} of {wanted.size} equal those of one device")
    return 0 if equal == wanted.size else 1


if __name__ == "__main__":
    sys.exit(main())
