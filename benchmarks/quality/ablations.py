"""What NAT is made of, one ingredient changed at a time."""

__all__ = ["ABLATIONS", "changed"]


# Matchings in place of cells: what keeps slots, and every solver, needs them.
_MATCHED = ["objective.semidiscrete=null", "objective.slots=16"]


def _dims() -> dict[str, list[str]]:
    return {f"d = {dim}": [f"objective.targets.dim={dim}"] for dim in (16, 32, 64, 128, 256, 512)}


def _slots() -> dict[str, list[str]]:
    return {
        f"m = {count}": [*_MATCHED, f"objective.slots={count}"] for count in (1, 4, 8, 16, 32, 64)
    }


def _every(unit: int) -> list[str]:
    return [*_MATCHED, "objective.ownership=bank", f"objective.reassign_every={unit}"]


def _cells(key: str, *values: float) -> dict[str, list[str]]:
    return {f"{key} of cells {v}": [f"objective.semidiscrete.{key}={v}"] for v in values}


def _kind(name: str, *more: str) -> list[str]:
    return [*more, f"objective.targets.kind={name}"]


def _teachers() -> dict[str, list[str]]:
    roles = {"votes": "vote", "is aligned with": "align", "does both": "both"}
    return {
        f"teacher {what}, {momentum}": [
            f"objective.teacher.momentum={momentum}", f"objective.teacher_role={role}",
        ]
        for momentum in (0.99, 0.996)
        for what, role in roles.items()
    }  # fmt: skip


ABLATIONS: dict[str, list[str]] = {
    "as it is": [],
    "no alignment": ["objective.alignment=0"],
    "alignment 0.3": ["objective.alignment=0.3"],
    "alignment 3": ["objective.alignment=3"],
    "no repulsion": ["objective.repulsion=0"],
    "repulsion 0.5": ["objective.repulsion=0.5"],
    "repulsion 2": ["objective.repulsion=2"],
    **{
        f"temperature {value}": [f"objective.temperature={value}"]
        for value in (0.05, 0.1, 0.15, 0.2, 0.4)
    },
    "target weight 2.5": ["objective.target_weight=2.5"],
    "target weight 10": ["objective.target_weight=10"],
    "first view votes": ["objective.anchor=first"],
    **_teachers(),
    "three views": ["objective.views=3"],
    "four views": ["objective.views=4"],
    **_dims(),
    **_slots(),
    "bank": _every(1),
    "bank, every third epoch": _every(3),
    "bank, never dealt again": _every(1_000_000),
    "pool of 1024": [*_MATCHED, "objective.pool=1024"],
    "batch of 128": ["training.batch_size=128"],
    "batch of 512": ["training.batch_size=512"],
    **_cells("points", 1024, 2048, 8192, 16384),
    **_cells("temperature", 0.1, 0.5, 1.0, 2.0),
    "gaussian": _kind("gaussian"),
    "low discrepancy": _kind("low_discrepancy"),
    "hypercube": _kind("hypercube"),
    "one-hot": _kind("one_hot"),
    "fixed prototypes": _kind("prototypes"),
    "matched prototypes": _kind("prototypes", *_MATCHED),
    "learned prototypes": _kind("prototypes", *_MATCHED, "objective.targets.learn=gradient"),
    "sinkhorn": [*_MATCHED, "objective.solver.kind=sinkhorn"],
    "greedy": [*_MATCHED, "objective.solver.kind=greedy"],
    "linear head": ["objective.head.kind=linear"],
    "head of 2048": ["objective.head.widths=[2048]"],
    "two hidden layers": ["objective.head.widths=[512,512]"],
    "learning rate of the preset": ["training.optimizer.learning_rate=0.004"],
    "constant rate": ["training.schedule.kind=constant"],
    "weight decay 0.00001": ["training.optimizer.weight_decay=0.00001"],
    "weight decay 0.001": ["training.optimizer.weight_decay=0.001"],
}


def changed(settings: list[str], by: list[str]) -> list[str]:
    """Settings of which some have other values; what changes nothing leaves them equal."""
    values = dict(setting.split("=", 1) for setting in [*settings, *by])
    return [f"{key}={value}" for key, value in values.items()]
