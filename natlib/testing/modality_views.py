"""Checks of a modality's inputs: views, plain inputs, the raw baseline, a training step."""

import torch
from torch import Tensor

from natlib.data import Batch
from natlib.objectives import NAT
from natlib.testing.contract import Named, expect, same
from natlib.testing.modality_subject import ModalitySubject

__all__ = ["VIEW_CHECKS"]


def _plain(subject: ModalitySubject) -> None:
    resolved, batch = subject.resolved, subject.batch
    before = torch.get_rng_state()
    plain, again = resolved.plain(batch), resolved.plain(batch)
    _inputs(subject, "plain()", plain)
    expect(
        same(plain, again) and torch.equal(torch.get_rng_state(), before),
        "plain() differs from call to call, or draws random numbers",
        "the samples without augmentation",
        "augment in views() only",
    )
    few = resolved.collate([subject.train[index] for index in subject.chosen[2:5]])
    expect(
        torch.allclose(resolved.plain(few).float(), plain[2:5].float(), rtol=1e-4, atol=1e-5),
        "plain() of a sample depends on the other samples of its batch",
        "the same input in any batch",
        "normalise each sample by itself, or by statistics of all training samples",
    )


def _inputs(subject: ModalitySubject, what: str, inputs: Tensor) -> None:
    wanted = (len(subject.batch.index), *subject.resolved.input_shape)
    expect(
        inputs.shape == wanted and not inputs.requires_grad,
        f"{what} is {list(inputs.shape)}, requires_grad {inputs.requires_grad}",
        f"{list(wanted)} without gradient",
        "return inputs of input_shape",
    )
    expect(
        inputs.float().isfinite().all(),
        f"{what} holds NaN or infinity",
        "finite numbers",
        "replace missing values",
    )


def _views(subject: ModalitySubject) -> None:
    resolved, batch = subject.resolved, subject.batch
    kept = {name: value.clone() for name, value in batch.data.items()}
    plain = resolved.plain(batch)
    torch.manual_seed(0)
    views = resolved.views(batch, 3)
    expect(len(views) == 3, f"views(batch, 3) returned {len(views)}", "3", "see views()")
    for view in views:
        _inputs(subject, "a view", view)
        expect(
            view.dtype == plain.dtype,
            f"a view is {view.dtype}, plain() is {plain.dtype}",
            "the same type",
            "an encoder gets both",
        )
    torch.manual_seed(0)
    again = resolved.views(batch, 3)
    expect(
        all(same(a, b) for a, b in zip(views, again, strict=True)),
        "with the same seed, views differ from call to call",
        "the same views: a resumed run equals an uninterrupted one",
        "draw from torch's global generator of the batch's device, and from nothing else",
    )
    expect(
        not torch.equal(views[0], views[1]) and not torch.equal(views[1], views[2]),
        "two views of a batch are equal",
        "independently augmented views",
        "draw new random numbers for every view",
    )
    expect(
        not torch.equal(resolved.views(batch, 1)[0], views[0]),
        "two calls return the same views",
        "different views",
        "do not seed a generator in views()",
    )
    expect(
        all(same(value, kept[name]) for name, value in batch.data.items()),
        "views() modified the batch",
        "an unchanged batch: plain() and other views read it too",
        "do not modify batch.data in place",
    )


def _own_draws(subject: ModalitySubject) -> None:
    """Sixteen copies of a sample: if the batch shared its random numbers, all would be equal."""
    sample = subject.train[subject.chosen[0]]
    copies: Batch = subject.resolved.collate([sample] * 16)
    (view,) = subject.resolved.views(copies, 1)
    expect(
        len(view.flatten(1).unique(dim=0)) > 1,
        "sixteen copies of a sample in a batch have equal views",
        "independent random numbers for every sample",
        "draw as many random numbers as the batch has samples",
    )


def _raw(subject: ModalitySubject) -> None:
    # It may be sparse (TF-IDF, say).
    raw, again = (subject.resolved.raw(subject.batch).to_dense() for _ in range(2))
    expect(
        raw.ndim == 2
        and len(raw) == len(subject.batch.index)
        and raw.is_floating_point()
        and bool(raw.isfinite().all()),
        f"raw() is {raw.dtype} {list(raw.shape)}",
        "finite numbers [b, r], floating point",
        "flatten the values that a probe may use in place of features",
    )
    expect(
        same(raw, again),
        "raw() differs from call to call",
        "the same baseline",
        "draw no random numbers",
    )


def _devices(subject: ModalitySubject) -> None:
    if not torch.cuda.is_available():
        return
    device = torch.device("cuda")
    batch = subject.batch.to(device)
    resolved = subject.resolved
    for inputs in (*resolved.views(batch, 2), resolved.plain(batch)):
        expect(
            inputs.device.type == "cuda",
            f"inputs of a batch on an accelerator are on {inputs.device.type}",
            "inputs on the device of the batch",
            "create tensors with device=...",
        )


def _step(subject: ModalitySubject) -> None:
    resolved, batch = subject.resolved, subject.batch
    encoder = resolved.complete(resolved.default_encoder(False)).build(resolved.input_shape)
    objective = NAT().build(encoder.dim)
    output = objective([encoder(view) for view in resolved.views(batch, 2)], batch.index)
    output.loss.backward()
    gradients = [weight.grad for weight in encoder.parameters() if weight.requires_grad]
    expect(
        output.loss.isfinite()
        and all(g is not None and bool(g.isfinite().all()) for g in gradients)
        and any(g is not None and bool(g.abs().sum() > 0) for g in gradients),
        f"a training step has the loss {output.loss.item():.4g}, or weights without a gradient",
        "a finite loss, and a finite gradient for every weight of the default encoder",
        "check views() and the encoder",
    )


VIEW_CHECKS: tuple[Named[ModalitySubject], ...] = (
    ("plain inputs", _plain),
    ("views", _views),
    ("random numbers for each sample", _own_draws),
    ("the raw baseline", _raw),
    ("devices", _devices),
    ("a step of training", _step),
)
