"""While views are encoded, the host reads no values that may be on an accelerator.

Everything lies on the host here, which stands in for an accelerator: operations whose answer the
host would have to wait for are refused. What only copies (``cpu``, ``numpy``, ``tolist``) cannot
be told from what is on the host anyway.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from natlib.assignment import BankModule, StreamModule
from natlib.objectives import NAT, NATModule
from natlib.runtime.autotune import Autotune
from natlib.targets import (
    GradientPrototypes,
    MeanPrototypes,
    Prototypes,
    TargetDistribution,
    synchronous,
)
from tests.core.families import members
from tests.core.nat_parts import features_of

aten = torch.ops.aten
# They return a number, or a tensor whose shape depends on values.
_READS = {
    aten._local_scalar_dense, aten.is_nonzero, aten.equal, aten.allclose, aten.nonzero,
    aten.masked_select, aten._unique, aten._unique2, aten.unique_dim, aten.unique_consecutive,
    aten.bincount, aten.repeat_interleave, aten.argwhere,
}  # fmt: skip
_INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}

TARGETS = [
    *members(TargetDistribution),
    Prototypes(count=997),  # no grid has as many cells: it walks
    GradientPrototypes(count=40),
    MeanPrototypes(count=40),
]


class HostReads(TorchDispatchMode):
    """Fails where a value is read while ``refuses`` is true."""

    refuses = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.refuses:
            packet = func.overloadpacket
            masked = packet in _INDEXING and any(
                part is not None and part.dtype in (torch.bool, torch.uint8) for part in args[1]
            )
            waits = packet in _READS or masked
            assert not waits, f"{func} waits for an accelerator"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def on_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synchronous, "_SYNCHRONOUS", frozenset())


def step(module: NATModule, number: int, epoch: int) -> Tensor:
    """One training step; reads are refused while views are being made."""
    index = torch.arange(12) if number % 2 else torch.arange(8, 20)
    views = features_of(2, 12, dim=6, seed=number, dtype=torch.float32)

    with HostReads() as mode:

        def made() -> Iterator[Tensor]:
            mode.refuses = True
            yield from views
            mode.refuses = False

        return module(made(), index, epoch=epoch).loss


@pytest.mark.usefixtures("on_accelerator")
@pytest.mark.parametrize(
    "assignment",
    [
        {"kind": "stream", "slots": 2},
        {"kind": "bank", "slots": 2},
        {"kind": "bank", "slots": 2, "unit": "step"},
    ],
    ids=str,
)
@pytest.mark.parametrize("targets", TARGETS, ids=lambda t: t.kind)
def test_no_reads_while_the_next_view_is_encoded(
    targets: TargetDistribution, assignment: dict[str, Any]
) -> None:
    values: dict[str, Any] = {
        "targets": targets, "assignment": assignment, "match_on": "first", "head": "linear",
    }  # fmt: skip
    module = NAT.model_validate(values).build(6, samples=20)
    assert isinstance(module.assignment, BankModule | StreamModule)
    module.assignment.matcher.overlap = Autotune([True])
    module.targets.rows(torch.zeros(1, dtype=torch.int64))  # tables that are made once
    if isinstance(module.assignment, BankModule):
        module.assignment._steps = 0  # what is read once after a run has been loaded
    for number in range(4):
        step(module, number, epoch=number // 2).backward()


@pytest.mark.parametrize("targets", TARGETS, ids=lambda t: t.kind)
def test_rows_on_an_accelerator_equal_those_on_the_host(
    targets: TargetDistribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = torch.cat([torch.arange(500), torch.arange(500) + 3 * 2**32, torch.arange(9) + 2**48])
    rows = targets.rows(slot)
    monkeypatch.setattr(synchronous, "_SYNCHRONOUS", frozenset())
    assert torch.equal(targets.rows(slot), rows)


def test_a_read_is_noticed() -> None:
    values = torch.arange(4.0)
    for read in (
        lambda: values.sum().item(),
        lambda: values[values > 1],
        lambda: (values > 1).nonzero(),
        lambda: values.unique(),
        lambda: bool((values > 1).any()),
        lambda: values.masked_select(values > 1),
        lambda: values.masked_fill_(values > 1, 0)[values > 0],
    ):
        with HostReads() as mode:
            mode.refuses = True
            with pytest.raises(AssertionError, match="waits for an accelerator"):
                read()
