"""Every modality shows its inputs, and an input that is a sample as it is looks like it."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from natlib.data import Modality
from natlib.testing.modality_subject import ModalitySubject
from tests.core.families import MODALITIES


def subject_of(kind: str) -> ModalitySubject:
    modality = Modality.registry.get(kind)(max_samples=32)
    return ModalitySubject(modality, [])


@pytest.mark.parametrize("kind", MODALITIES)
def test_inputs_can_be_looked_at(kind: str) -> None:
    subject = subject_of(kind)
    torch.manual_seed(0)
    for inputs in (
        subject.resolved.plain(subject.batch),
        *subject.resolved.views(subject.batch, 2),
    ):
        shown = [subject.resolved.preview(row) for row in inputs]
        assert all(picture is not None and picture.data for picture in shown)
        assert len({picture.data for picture in shown if picture}) > len(shown) // 2


def test_an_image_looks_as_it_does_without_augmentation() -> None:
    subject = subject_of("image")
    rows = subject.resolved.plain(subject.batch)
    for sample, row in zip(subject.chosen, rows, strict=True):
        thumbnails = (
            subject.resolved.thumbnail(subject.train[sample]),
            subject.resolved.preview(row),
        )
        whole, seen = (np.asarray(Image.open(io.BytesIO(t.data))) for t in thumbnails if t)
        assert np.abs(whole.astype(int) - seen.astype(int)).max() <= 1


def test_text_shows_its_first_words() -> None:
    subject = subject_of("text")
    rows = subject.resolved.plain(subject.batch)
    agree = []
    for sample, row in zip(subject.chosen, rows, strict=True):
        thumbnails = (
            subject.resolved.thumbnail(subject.train[sample]),
            subject.resolved.preview(row),
        )
        whole, seen = (t.data.decode().lower().replace(" ", "") for t in thumbnails if t)
        agree.append(whole[:20] == seen[:20])
    assert sum(agree) > len(agree) / 2  # a tokenizer may know some letters as unknown only
