"""An experts' layer in bfloat16 with plain torch around grouped products: what the bench compares.

The grouped product is torch._grouped_mm on a GPU, and a loop over experts on a CPU.
"""

from __future__ import annotations

from .peer import UnavailableError, as_tensor, require_cuda_torch, require_torch, torch_device
from .timing import Contender, TorchContender

NOTE = "torch in bfloat16: torch._grouped_mm, on a CPU a loop over experts; plain torch around it"


def sort_tokens(index, experts):
    """Returns the order that sorts index.reshape(-1) stably, and each expert's end in it."""
    torch = require_torch()
    flat = index.reshape(-1)
    order = torch.sort(flat, stable=True).indices
    bounds = torch.arange(experts, device=index.device)
    ends = torch.searchsorted(flat[order], bounds, right=True).to(torch.int32)
    return order, ends


def silu_mul(h):
    """Returns silu(gate) * up of the halves of each row."""
    gate, up = h.chunk(2, -1)
    return require_torch().nn.functional.silu(gate) * up


def add_up(y, order, weight):
    """Returns the weighted sum of each token's rows; order is that of sort_tokens."""
    out = require_torch().empty_like(y)
    out[order] = y
    tokens, top_k = weight.shape
    return (out.view(tokens, top_k, -1) * weight[..., None].to(y.dtype)).sum(1)


def bf16_layer(x, gate_up, down, index, weight):
    """Returns the layer of bfloat16 tensors; gate_up and down are (experts, n, k)."""
    order, ends = sort_tokens(index, len(gate_up))
    a = x[order // index.shape[1]]
    h = _grouped_mm(a, gate_up, ends)
    y = _grouped_mm(silu_mul(h), down, ends)
    return add_up(y, order, weight)


def _grouped_mm(a, b, ends):
    torch = require_torch()
    if a.is_cuda:
        return torch._grouped_mm(a, b.transpose(1, 2), offs=ends)
    out = a.new_empty(a.shape[0], b.shape[1])
    start = 0
    for expert, end in enumerate(ends.tolist()):
        torch.mm(a[start:end], b[expert].T, out=out[start:end])
        start = end
    return out


class TorchLayer:
    """A Layer in bfloat16, with its own values as torch tensors.

    Its weights are those of one copy: a layer that is worth a figure exceeds the cache.
    """

    name = "bf16"

    def __init__(self, layer):
        """Raises an UnavailableError where torch is missing, cannot do it, or lacks memory."""
        torch = require_torch()
        machine = layer.machine
        on_gpu = machine.device_type == "cuda"
        if on_gpu:
            require_cuda_torch()
        if on_gpu and not hasattr(torch, "_grouped_mm"):
            raise UnavailableError(f"torch {torch.__version__} has no torch._grouped_mm")
        self._contender_kind = TorchContender if on_gpu else Contender
        try:
            self.x = as_tensor(layer.x)
            self.index = torch.from_numpy(layer.index).to(torch_device(machine))
            self.weight = as_tensor(layer.top_k_weights)
            self.gate_up, self.down = _dequantised(layer.up), _dequantised(layer.down)
            if on_gpu:
                self._try_capture(torch, machine)
            self.launch(0)
            if on_gpu:
                torch.cuda.synchronize(self.index.device)
        except RuntimeError as error:
            raise UnavailableError(str(error).splitlines()[0]) from None

    def _try_capture(self, torch, machine):
        """Runs a graph of the layer: what fails in a graph fails here, alone."""
        torch.cuda.synchronize(self.index.device)
        contender = self.contender()
        contender.run_eagerly(machine.cuda_stream, 1)
        machine.synchronize()
        contender.capture(machine.cuda_stream, 1)()
        machine.synchronize()

    def contender(self):
        """Returns runs of the layer. It is not kept: a cycle would keep memory of the device."""
        return self._contender_kind(self.name, self.launch)

    def launch(self, _idx):
        self.out = bf16_layer(self.x, self.gate_up, self.down, self.index, self.weight)


def _dequantised(product):
    """Returns the weights of a product in bfloat16."""
    torch = require_torch()
    values, scales = as_tensor(product.b[0]), as_tensor(product.b_scale[0])
    weights = torch.empty(values.shape, dtype=torch.bfloat16, device=values.device)
    for expert in range(len(values)):
        scale = scales[expert].repeat_interleave(128, 0)[: product.n]
        scale = scale.repeat_interleave(128, 1)[:, : product.k]
        weights[expert] = values[expert].float() * scale
    return weights
