"""What NAT is made of, one ingredient changed at a time."""

__all__ = ["ABLATIONS", "changed"]


def _assigned(kind: str, **settings: object) -> str:
    """Another assignment: its settings take the place of those of the cells."""
    fields = ", ".join(f"{key}: {value}" for key, value in settings.items())
    return f"objective.assignment={{kind: {kind}, {fields}}}"


# Matchings in place of cells, as every solver and targets that learn need them.
_MATCHED = _assigned("stream", slots=16)


def _dims() -> dict[str, list[str]]:
    return {f"d = {dim}": [f"objective.targets.dim={dim}"] for dim in (16, 32, 64, 128, 256, 512)}


def _slots() -> dict[str, list[str]]:
    return {f"m = {count}": [_assigned("stream", slots=count)] for count in (1, 4, 8, 16, 32, 64)}


def _cells(key: str, *values: float) -> dict[str, list[str]]:
    return {f"{key} of cells {v}": [f"objective.assignment.{key}={v}"] for v in values}


def _kind(name: str, *more: str) -> list[str]:
    return [*more, f"objective.targets.kind={name}"]


ABLATIONS: dict[str, list[str]] = {
    "as it is": [],
    "no alignment": ["objective.loss.alignment=0"],
    "alignment 0.3": ["objective.loss.alignment=0.3"],
    "alignment 3": ["objective.loss.alignment=3"],
    "no repulsion": ["objective.loss.repulsion=null"],
    "repulsion 0.5": ["objective.loss.repulsion.weight=0.5"],
    "repulsion 2": ["objective.loss.repulsion.weight=2"],
    **{
        f"temperature {value}": [f"objective.loss.repulsion.temperature={value}"]
        for value in (0.05, 0.1, 0.15, 0.2, 0.4)
    },
    "target weight 2.5": ["objective.loss.target_weight=2.5"],
    "target weight 10": ["objective.loss.target_weight=10"],
    "matched on the first view": ["objective.match_on=first"],
    **{
        f"aligned with a teacher, {momentum}": [f"objective.teacher.momentum={momentum}"]
        for momentum in (0.99, 0.996)
    },
    "three views": ["objective.views=3"],
    "four views": ["objective.views=4"],
    **_dims(),
    **_slots(),
    "bank": [_assigned("bank", slots=16, every=1)],
    "bank, every third epoch": [_assigned("bank", slots=16, every=3)],
    "bank, never reassigned": [_assigned("bank", slots=16, every=1_000_000)],
    "batch of 128": ["training.batch_size=128"],
    "batch of 512": ["training.batch_size=512"],
    **_cells("points", 1024, 2048, 8192, 16384),
    **_cells("temperature", 0.1, 0.5, 1.0, 2.0),
    "gaussian": _kind("gaussian"),
    "low discrepancy": _kind("low_discrepancy"),
    "hypercube": _kind("hypercube"),
    "one-hot": _kind("one_hot"),
    "fixed prototypes": _kind("prototypes"),
    "matched prototypes": _kind("prototypes", _MATCHED),
    "learned prototypes": _kind("gradient_prototypes", _MATCHED),
    "sinkhorn": [_assigned("stream", slots=16, solver="sinkhorn")],
    "greedy": [_assigned("stream", slots=16, solver="greedy")],
    "linear head": ["objective.head.kind=linear"],
    "head of 2048": ["objective.head.widths=[2048]"],
    "two hidden layers": ["objective.head.widths=[512,512]"],
    "learning rate of the preset": ["training.optimizer.learning_rate=0.004"],
    "constant rate": ["training.schedule.kind=constant"],
    "weight decay 0.00001": ["training.optimizer.weight_decay=0.00001"],
    "weight decay 0.001": ["training.optimizer.weight_decay=0.001"],
}


def changed(settings: list[str], by: list[str]) -> list[str]:
    """Settings of which some have other values; what changes nothing leaves them equal.

    A new value of a whole group takes the place of the settings inside it.
    """
    values = dict(setting.split("=", 1) for setting in settings)
    for setting in by:
        key, value = setting.split("=", 1)
        values = {name: each for name, each in values.items() if not name.startswith(f"{key}.")}
        values[key] = value
    return [f"{key}={value}" for key, value in values.items()]
