"""Expert parallelism with torch.distributed: every rank holds some experts and some tokens.

    torchrun --nproc-per-node 2 python/examples/torch_expert_parallel.py
    torchrun --nproc-per-node 2 python/examples/torch_expert_parallel.py --device cpu --inner 256

The rows of tokens travel to the ranks of their experts by an all-to-all, each rank multiplies with
its experts by one grouped product, and the results travel back. Rank 0 then compares the sum of all
ranks with one product over all tokens and all experts, which must have the same bits: a row of the
result depends on its own row, scales and expert alone. NCCL moves the rows between GPUs, gloo
between processes on the CPU.
"""

import argparse
import os

import torch
import torch.distributed as dist

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise

BLOCK = 128
FP8 = torch.float8_e4m3fn
MAX_FP8 = 448.0

Weights = tuple[torch.Tensor, torch.Tensor]  # FP8 and scales


def quantize_rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, k) float32 to FP8 with a scale per row and 128 columns: (rows, k), (rows, k / 128)."""
    blocks = x.view(x.shape[0], -1, BLOCK)
    scale = blocks.abs().amax(2).clamp_min(1e-12) / MAX_FP8
    return (blocks / scale[:, :, None]).view_as(x).to(FP8), scale


def quantize_weights(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(experts, n, k) float32 to FP8 with a scale per 128 x 128 block: (experts, n/128, k/128)."""
    experts, n, k = x.shape
    blocks = x.view(experts, n // BLOCK, BLOCK, k // BLOCK, BLOCK)
    scale = blocks.abs().amax((2, 4)).clamp_min(1e-12) / MAX_FP8
    return (blocks / scale[:, :, None, :, None]).view_as(x).to(FP8), scale


def grouped_product(
    a: torch.Tensor, a_scale: torch.Tensor, weights: Weights, counts: torch.Tensor
) -> torch.Tensor:
    """Rows sorted by expert, times the experts' weights."""
    b, b_scale = weights
    if a.shape[0] == 0:
        return a.new_empty((0, b.shape[1]), dtype=torch.bfloat16)
    return group_gemm_fp8_nt_groupwise(
        a, b, a_scale, b_scale, m_counts=counts, scale_major_mode="K"
    )


def exchange(rows: torch.Tensor, send: list[int], receive: list[int]) -> torch.Tensor:
    """Sends send[r] consecutive rows to rank r, and returns the rows of all ranks, in rank order.

    Rows travel as bytes: the communication libraries do not know FP8.
    """
    payload = rows.contiguous().view(torch.uint8)
    received = payload.new_empty((sum(receive), payload.shape[1]))
    dist.all_to_all_single(received, payload, receive, send)
    return received.view(rows.dtype)


def expert_parallel(
    tokens: torch.Tensor, expert_of_row: torch.Tensor, local_weights: Weights, num_experts: int
) -> torch.Tensor:
    """The product of each row with its expert, wherever that expert lives; rows in their order."""
    world = dist.get_world_size()
    order = expert_of_row.argsort(stable=True)
    a, a_scale = quantize_rows(tokens[order])
    counts = expert_of_row.bincount(minlength=num_experts)

    # How many rows each rank sends for each of our experts: (world, local experts).
    counts_from = torch.empty_like(counts)
    dist.all_to_all_single(counts_from, counts)
    counts_from = counts_from.view(world, -1)
    send = counts.view(world, -1).sum(1).tolist()
    receive = counts_from.sum(1).tolist()
    a, a_scale = exchange(a, send, receive), exchange(a_scale, send, receive)

    # Rows arrive by rank and within it by expert; the product wants them by expert.
    experts = torch.arange(counts_from.shape[1], device=a.device).repeat(world)
    by_expert = experts.repeat_interleave(counts_from.flatten()).argsort(stable=True)
    a = a.view(torch.uint8)[by_expert].view(FP8)
    product = grouped_product(a, a_scale[by_expert], local_weights, counts_from.sum(0))

    back = torch.empty_like(product)
    back[by_expert] = product
    result = torch.empty((tokens.shape[0], product.shape[1]), dtype=product.dtype, device=a.device)
    result[order] = exchange(back, receive, send)
    return result


def single_process(
    tokens: torch.Tensor, expert_of_row: torch.Tensor, weights: Weights, num_experts: int
) -> torch.Tensor:
    """Returns the result of one product over all rows and experts."""
    order = expert_of_row.argsort(stable=True)
    counts = expert_of_row.bincount(minlength=num_experts)
    product = grouped_product(*quantize_rows(tokens[order]), weights, counts)
    result = torch.empty_like(product)
    result[order] = product
    return result


def run(device: torch.device, options: argparse.Namespace) -> bool:
    """Whether the ranks together compute what one process does; prints on rank 0."""
    rank, world = dist.get_rank(), dist.get_world_size()
    local = options.experts // world
    num_experts = local * world
    # All ranks draw the same numbers, then each keeps its part.
    generator = torch.Generator().manual_seed(options.seed)
    weights = torch.randn(num_experts, options.columns, options.inner, generator=generator)
    tokens = torch.randn(world * options.tokens, options.inner, generator=generator)
    expert_of_row = torch.randint(num_experts, (world * options.tokens,), generator=generator)
    tokens, expert_of_row = tokens.to(device), expert_of_row.to(device)
    b, b_scale = quantize_weights(weights.to(device))

    mine = slice(rank * options.tokens, (rank + 1) * options.tokens)
    experts = slice(rank * local, (rank + 1) * local)
    local_weights = (b[experts], b_scale[experts])
    result = expert_parallel(tokens[mine], expert_of_row[mine], local_weights, num_experts)

    wanted = single_process(tokens, expert_of_row, (b, b_scale), num_experts)[mine]
    num_wrong = (result != wanted).any(1).sum().reshape(1)
    dist.all_reduce(num_wrong)
    if rank == 0:
        print(f"{world} ranks on {device.type}, {num_experts} experts, {len(tokens)} tokens")
        print(f"rows that differ from one process: {num_wrong.item()}")
    return num_wrong.item() == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--experts", type=int, default=8, help="of all ranks together")
    parser.add_argument("--tokens", type=int, default=256, help="of each rank")
    # torchrun would take --n for one of its own options.
    parser.add_argument("--columns", type=int, default=1024, help="n, a multiple of 128")
    parser.add_argument("--inner", type=int, default=1024, help="k, a multiple of 128")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kind = options.device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if kind == "cuda" else "cpu")
    if kind == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    same = run(device, options)
    dist.destroy_process_group()
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
