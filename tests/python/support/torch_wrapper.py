"""A subclass of tensors that stands for another, as DTensor and results of collectives do."""

import torch


class Wrapper(torch.Tensor):
    """Has no memory: operators take the tensor inside. `refuses` is raised in their place."""

    @staticmethod
    def __new__(cls, inner, refuses=None):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), 0, dtype=inner.dtype, device=inner.device
        )

    def __init__(self, inner, refuses=None):
        self.inner, self.refuses = inner, refuses

    @classmethod
    def __torch_dispatch__(cls, operator, types, arguments=(), keywords=None):
        def unwrap(x):
            if isinstance(x, Wrapper) and x.refuses is not None:
                raise x.refuses
            return x.inner if isinstance(x, Wrapper) else x

        keywords = {name: unwrap(x) for name, x in (keywords or {}).items()}
        return operator(*(unwrap(x) for x in arguments), **keywords)
