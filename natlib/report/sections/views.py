"""Section: augmented views, as inputs of the encoder."""

import torch

from natlib.evaluation.modes import untouched_random
from natlib.report.gallery import thumbnail_html
from natlib.report.page import Section, note
from natlib.report.subject import Subject

__all__ = ["views"]

_TITLE = "Views"
_SAMPLES, _VIEWS = 6, 6


def views(subject: Subject) -> Section:
    """Some samples, each with its input without augmentation and with views.

    Args:
        subject: the run's model and samples.
    """
    rows = subject.draw(_SAMPLES)
    index = [int(subject.index[row]) for row in rows]
    batch = subject.modality.collate([subject.samples[number] for number in index])
    with untouched_random(torch.device("cpu")):
        torch.default_generator.manual_seed(subject.seed)
        inputs = subject.modality.views(batch, _VIEWS)
    plain = subject.modality.plain(batch)
    columns = [plain, *inputs]
    pictures = [
        [subject.modality.preview(column[place]) for column in columns]
        for place in range(len(batch.index))
    ]
    if not any(picture for row in pictures for picture in row):
        return note(
            "views",
            _TITLE,
            f"The modality '{subject.modality.kind}' has no previews of its inputs (the method "
            "'preview').",
        )
    values = {
        "rows": [
            {
                "sample": subject.gallery.html(int(number)),
                "name": str(subject.samples.names[int(number)]),
                "inputs": [thumbnail_html(picture) for picture in row],
            }
            for number, row in zip(batch.index, pictures, strict=True)
        ],
        "count": _VIEWS,
        "shape": subject.gallery.shape(),
    }
    return Section("views", _TITLE, "views.html.j2", values, half=True)
