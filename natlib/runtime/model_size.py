"""Build a model that a file describes, unless it outgrows the weights that the file comes with.

A description is a few bytes, whatever the size of the model: ten million layers, or layers that are
a hundred thousand values wide, would fill the memory of any machine before the weights turned out
not to fit.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from natlib.errors import CheckpointError

__all__ = ["no_larger_than"]

# What a model may have beside its weights: tables, positions and masks that are not saved, and what
# it is made from. 2^26 values of four bytes are 256 MiB.
_MORE_VALUES = 1 << 26
_MORE_PARTS = 4096
_TIMES = 4
# Modules, and tensors that are made on the way, for each tensor that stays.
_MODULES = 4
_CALLS = 32


class _TooLargeError(CheckpointError):
    """More than there are weights for."""


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor], what: str) -> Iterator[None]:
    """While a model is built: stop as soon as it is larger than its weights.

    Tensors are refused before they are allocated. The model may have a few times as many values and
    layers as there are in its weights, since not all of it is saved; whether names and shapes fit
    is checked elsewhere, once it is built.

    Args:
        weights: the tensors that are to be loaded into the model.
        what: what describes the model, for the error.

    Raises:
        CheckpointError: it is larger.
    """
    budget = _Budget(weights, what)
    with ExitStack() as stack:
        for register in (
            hooks.register_module_parameter_registration_hook,
            hooks.register_module_buffer_registration_hook,
        ):
            stack.callback(register(budget.add_tensor).remove)
        stack.callback(hooks.register_module_module_registration_hook(budget.add_module).remove)
        stack.enter_context(_Allocations(budget))
        yield


class _Budget:
    def __init__(self, weights: Mapping[str, Tensor], what: str) -> None:
        self._stored = sum(tensor.numel() for tensor in weights.values())
        self._parts = len(weights)
        self._what = what
        self._thread = threading.get_ident()
        self._values = self._tensors = self._modules = self._asked = 0

    def ask(self, values: int) -> None:
        """A tensor of this size is about to be made."""
        self._asked += 1
        if self._asked > _CALLS * (_TIMES * self._parts + _MORE_PARTS):
            self._refuse(f"more than {self._asked - 1:,} tensors", f"{self._parts:,} tensors")
        self.check(values)

    def check(self, values: int) -> None:
        if values > _TIMES * self._stored + _MORE_VALUES:
            self._refuse(f"more than {_round(values)} values", f"{self._stored:,}")

    def add_tensor(self, module: nn.Module, name: str, tensor: Tensor | None) -> None:
        # The hooks are called for whatever is built in this process.
        if tensor is None or threading.get_ident() != self._thread:
            return
        self._tensors += 1
        if self._tensors > _TIMES * self._parts + _MORE_PARTS:
            self._refuse(f"more than {self._tensors - 1:,} tensors", f"{self._parts:,} tensors")
        if not nn.parameter.is_lazy(tensor):
            self._values += tensor.numel()
            self.check(self._values)

    def add_module(self, module: nn.Module, name: str, inner: nn.Module | None) -> None:
        if threading.get_ident() != self._thread:
            return
        self._modules += 1
        if self._modules > _MODULES * (_TIMES * self._parts + _MORE_PARTS):
            self._refuse(f"more than {self._modules - 1:,} modules", f"{self._parts:,} tensors")

    def _refuse(self, wanted: str, stored: str) -> None:
        raise _TooLargeError(
            f"{self._what} describes a model of {wanted}, and its weights have {stored}; it is "
            "damaged, or made to fill the memory: take it from where it was trained"
        )


def _round(values: int) -> str:
    return f"{values:,}" if values < 10**15 else f"{values:.0e}" if values < 1e300 else "1e300"


class _Allocations(TorchFunctionMode):
    """Check the size of tensors that are asked for, before they are made."""

    def __init__(self, budget: _Budget) -> None:
        super().__init__()
        self._budget = budget

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _SIZES:
            self._budget.ask(_SIZES[func](args, kwargs))
        return func(*args, **kwargs)


def _product(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """The number of values of a size, given as one sequence or as several numbers."""
    size: Any = kwargs.get("size", args)
    if len(size) and not isinstance(size[0], int):
        size = size[0]
    return math.prod(size) if all(isinstance(number, int) for number in size) else 0


def _size_at(place: int) -> Callable[[Sequence[Any], Mapping[str, Any]], int]:
    return lambda args, kwargs: _product(args[place : place + 1], kwargs)


def _rest(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    return _product(args[1:], kwargs)


def _repeated(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    return int(args[0].numel()) * _product(args[1:], {"size": kwargs["repeats"]} if kwargs else {})


def _steps(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    numbers = [*args, *(kwargs[name] for name in ("start", "end", "step") if name in kwargs)]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        return 0
    start, end, step = (
        (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3] if numbers else (0, 0, 1)
    )
    return int(abs((end - start) / step)) if step else 0


def _number(name: str, place: int) -> Callable[[Sequence[Any], Mapping[str, Any]], int]:
    def read(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        value = kwargs.get(name, args[place] if len(args) > place else 0)
        return value if isinstance(value, int) else 0

    return read


def _square(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    rows = _number("n", 0)(args, kwargs)
    return rows * (_number("m", 1)(args, kwargs) or rows)


_SIZES: dict[Any, Callable[[Sequence[Any], Mapping[str, Any]], int]] = {
    **dict.fromkeys((torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn), _product),
    **dict.fromkeys((torch.full, torch.empty_strided, torch.empty_permuted), _size_at(0)),
    torch.normal: _size_at(2),
    torch.randint: lambda args, kwargs: _product(
        next(([one] for one in args if isinstance(one, Sequence)), []), kwargs
    ),
    torch.arange: _steps,
    torch.linspace: _number("steps", 2),
    torch.logspace: _number("steps", 2),
    torch.randperm: _number("n", 0),
    torch.eye: _square,
    **dict.fromkeys((Tensor.new_empty, Tensor.new_zeros, Tensor.new_ones), _rest),
    Tensor.new_full: _size_at(1),
    Tensor.repeat: _repeated,
}
