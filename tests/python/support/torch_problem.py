"""Problems as PyTorch tensors, for the tests of tensors and operators."""

import ml_dtypes
import numpy as np
import torch


def to_torch(array: np.ndarray, device="cpu") -> torch.Tensor:
    """A tensor of the array's type and bytes, on the CPU on its memory."""
    if array.dtype.name.startswith("float8"):
        tensor = torch.from_numpy(array.view(np.uint8)).view(getattr(torch, array.dtype.name))
    elif array.dtype == ml_dtypes.bfloat16:
        tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array)
    return tensor.to(device)


def tensors_of(arrays: dict[str, np.ndarray], device="cpu") -> dict[str, torch.Tensor]:
    return {name: to_torch(array, device) for name, array in arrays.items()}


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.uint16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
