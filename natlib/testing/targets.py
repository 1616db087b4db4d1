"""The contract of target distributions."""

import torch
from torch import Tensor

from natlib.targets import TargetDistribution
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.contract import Named, expect, run_checks, same, threads

__all__ = ["check_target"]

_LARGEST = 2**62
_PURE = "let rows() depend on the component's fields and the slot only"


def check_target(targets: TargetDistribution) -> tuple[str, ...]:
    """Check that targets are a pure function of seed and slot, and lie in the declared space.

    Args:
        targets: the distribution, with any values.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: a check fails; the message says which.
    """
    seed = [("the seed counts", _seed)] if targets.seeded else []
    return run_checks(targets, targets, (*COMPONENT_CHECKS, *_CHECKS, *seed))


def _slots(count: int = 61) -> Tensor:
    """Slots from the whole range, then consecutive ones, as a run uses them."""
    few = torch.randint(0, _LARGEST, (31,), generator=torch.Generator().manual_seed(1))
    few[:3] = torch.tensor([0, _LARGEST, 2**32])
    return torch.cat([few, 2**33 + torch.arange(count - 31)])


def _shapes(targets: TargetDistribution) -> None:
    for dtype in (torch.float32, torch.float64):
        for shape in ((), (0,), (5,), (2, 3), (2, 0, 4)):
            rows = targets.rows(torch.zeros(shape, dtype=torch.int64), dtype)
            wanted = (*shape, targets.dim)
            expect(
                rows.shape == wanted and rows.dtype == dtype,
                f"rows of slots {list(shape)} in {dtype} are {rows.dtype} {list(rows.shape)}",
                f"{dtype} {list(wanted)}",
                "append the dimension to the shape of the slots, and return the requested type",
            )


def _finite(targets: TargetDistribution) -> None:
    rows = targets.rows(_slots(4000))
    expect(
        rows.isfinite().all(),
        "a target holds NaN or infinity",
        "finite numbers for every slot in [0, 2^62]",
        "check logarithms of 0 and overflow of large slots",
    )
    expect(
        len(rows.unique(dim=0)) > 1,
        "4,000 slots have the same target",
        "different targets",
        "use the slot",
    )


def _pure(targets: TargetDistribution) -> None:
    slot = _slots()
    given = slot.clone()
    rows = targets.rows(slot)
    before = rows.clone()
    expect(same(slot, given), "rows() modified its slots", "unchanged slots", _PURE)
    order = torch.randperm(len(slot))
    expect(
        same(targets.rows(slot[order]), rows[order]),
        "the target of a slot depends on the order of the slots",
        "the same target in any order",
        _PURE,
    )
    for size in (1, 2, 7, 60):
        parts = torch.cat([targets.rows(part) for part in slot.split(size)])
        expect(
            same(parts, rows),
            f"targets differ if {size} are requested at a time",
            "the same targets, whatever is requested together",
            _PURE,
        )
    expect(
        same(targets.rows(slot[::3]), rows[::3]) and same(targets.rows(slot[5]), rows[5]),
        "targets depend on the memory layout of the slots",
        "the same targets",
        "call .contiguous() or .reshape() where the layout matters",
    )
    rows.zero_()
    expect(
        same(targets.rows(slot), before),
        "writing into returned targets changed those of the next call",
        "new memory in every call",
        "return a copy of cached values",
    )


def _no_state(targets: TargetDistribution) -> None:
    slot = _slots()
    rows = targets.rows(slot)
    twin = type(targets).model_validate_json(targets.model_dump_json())
    expect(
        same(twin.rows(slot), rows),
        "a copy from JSON has other targets",
        "the same targets: every process and every resumed run computes its own",
        _PURE,
    )
    state = torch.get_rng_state()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    expect(
        same(targets.rows(slot), rows) and torch.equal(torch.get_rng_state(), before),
        "targets draw from torch's global generator",
        "counter-based random numbers",
        _PURE + "; see natlib.targets.UniformSphere",
    )
    torch.set_rng_state(state)


def _threads(targets: TargetDistribution) -> None:
    slot = _slots(5000)
    with threads(1):
        alone = targets.rows(slot)
    with threads(2):
        together = targets.rows(slot)
    expect(
        same(alone, together),
        "targets depend on the number of threads",
        "the same targets, bit for bit",
        "sum in a fixed order",
    )


def _precision(targets: TargetDistribution) -> None:
    slot = _slots(2000)
    exact, rounded = targets.rows(slot, torch.float64), targets.rows(slot)
    gap = float((rounded - exact).abs().mean() / exact.square().mean().sqrt())
    expect(
        gap < 1e-5,
        f"float32 and float64 targets differ by {gap:.1e}",
        "equal targets up to rounding",
        "use the same random numbers for both types",
    )


def _seed(targets: TargetDistribution) -> None:
    slot = torch.arange(512)
    other = targets.model_copy(update={"seed": targets.seed + 1})
    expect(
        not torch.equal(targets.rows(slot), other.rows(slot)),
        "another seed gives the same targets",
        "other targets",
        "use self.seed, or set the class variable seeded to False",
    )


def _space(targets: TargetDistribution) -> None:
    rows = targets.rows(torch.arange(500), torch.float64)
    norms = torch.linalg.vector_norm(rows, dim=-1)
    if targets.on_sphere:
        expect(
            (norms - 1).abs().max() < 1e-5,
            f"on_sphere is True, and norms are {norms.min():.3g} to {norms.max():.3g}",
            "norm 1",
            "normalise the rows, or override on_sphere",
        )
    torch.testing.assert_close(targets.project(rows), rows, atol=1e-6, rtol=1e-5)
    z = torch.randn(7, targets.dim, requires_grad=True)
    projected = targets.project(z)
    expect(
        projected.shape == z.shape and projected.requires_grad,
        f"project() of float32 {list(z.shape)} is {list(projected.shape)}, "
        f"requires_grad {projected.requires_grad}",
        "the same shape, and a gradient",
        "use operations of torch on the last dimension",
    )


def _module(targets: TargetDistribution) -> None:
    module, slot = targets.build(), torch.arange(40)
    rows = module.rows(slot)
    expect(
        rows.shape == (40, targets.dim),
        f"build().rows of 40 slots is {list(rows.shape)}",
        f"[40, {targets.dim}]",
        "return one row for each slot",
    )
    state = module.state_dict()
    if not targets.learned:
        expect(
            not state and same(rows, targets.rows(slot)),
            "targets that are not learned have a state, or other rows after build()",
            "no state and the same rows",
            "override `learned`, or do not override build()",
        )
    expect(
        state or not targets.learned,
        "`learned` is True, and the module has no state",
        "weights or buffers",
        "store what is learned in parameters or buffers, so that checkpoints contain it",
    )
    module.update(slot.view(4, 10), targets.project(torch.randn(10, targets.dim)))
    twin = targets.build()
    twin.load_state_dict(module.state_dict())
    expect(
        torch.equal(twin.rows(slot), module.rows(slot)),
        "a module with the state of another one has other rows",
        "the same rows",
        "store all that rows() uses in parameters or buffers",
    )


def _device(targets: TargetDistribution) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = targets.rows(torch.arange(100, device=device))
    expect(
        rows.device.type == device.type,
        f"slots on {device.type} have targets on {rows.device.type}",
        "targets on the device of the slots",
        "create tensors with device=slot.device",
    )
    torch.testing.assert_close(rows.cpu(), targets.rows(torch.arange(100)), atol=1e-4, rtol=1e-4)


_CHECKS: tuple[Named[TargetDistribution], ...] = (
    ("shapes and types", _shapes),
    ("finite and different", _finite),
    ("a pure function of the slot", _pure),
    ("no hidden state", _no_state),
    ("independent of threads", _threads),
    ("precision", _precision),
    ("the space of the targets", _space),
    ("built", _module),
    ("device", _device),
)
