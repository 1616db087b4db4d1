"""Settings that are read for some values of others only: refused, left out, dropped."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from natlib.component import Settings
from natlib.conditions import conditions_of, value_of
from natlib.configuration import commented_yaml, describe, merge, parse_yaml
from natlib.data import LabelsConfig
from natlib.errors import ConfigError
from natlib.families import FAMILIES
from natlib.protocols import MlpTraining, Semi
from natlib.protocols.running import compose_protocol
from natlib.solvers import Auction, Sinkhorn
from natlib.training import RunConfig
from natlib_audio import Audio
from natlib_audio.augmentation import Augmentation as AudioAugmentation
from natlib_audio.encoders.wav2vec import Wav2Vec
from natlib_image import Image
from natlib_image.augmentation import Augmentation as ImageAugmentation
from natlib_image_protocols.imagenet.protocol import Imagenet
from natlib_image_protocols.voc.classification import VocClassification
from natlib_image_protocols.voc.detection import VocDetection
from natlib_text import Text
from natlib_text.augmentation import Augmentation as TextAugmentation
from natlib_text.encoders.bag_of_ngrams import BagOfNgrams
from natlib_text.encoders.sentence_folder import TopLayer
from natlib_text.encoders.transformer import TextTransformer
from natlib_vector import Vector

# For each setting that is read on a condition: values with which it is read, and what changes so
# that it is not.
READ: list[tuple[type[Settings], dict[str, Any], dict[str, Any]]] = [
    (Auction, {"scaling": 4.0}, {"start": 0.01}),
    (Sinkhorn, {"decay": 0.8}, {"start": 0.01}),
    (LabelsConfig, {"seed": 3, "fraction": 0.5}, {"fraction": None}),
    (LabelsConfig, {"seed": 3, "per_class": 5}, {"per_class": None}),
    (LabelsConfig, {"source": "a.csv", "table": {"separator": ";"}}, {"source": "folder"}),
    (MlpTraining, {"dropout": 0.1}, {"widths": []}),
    (Semi, {"share": 0.3}, {"methods": []}),
    (Semi, {"epochs": 3}, {"methods": []}),
    (Semi, {"weight": 2.0}, {"methods": ["class_targets"]}),
    (Semi, {"spread": 0.3}, {"methods": ["classifier"]}),
    (Imagenet, {"choice_epochs": 3}, {"training": {"learning_rates": [0.1]}}),
    (VocClassification, {"weight_decays": [0.1]}, {"train": "head"}),
    *(
        (VocClassification, {"train": "all", name: value}, {"train": "frozen"})
        for name, value in {"learning_rates": [0.1], "epochs": 3, "batch_size": 4}.items()
    ),
    (VocDetection, {"batch_norm": "trained"}, {"train": "head"}),
    (Image, {"source": "cifar10", "root": "sets"}, {"source": "photos"}),
    (Image, {"source": "cifar10", "download": True}, {"source": "imagenet"}),
    (Image, {"max_samples": 9, "subset_seed": 3}, {"max_samples": None}),
    (ImageAugmentation, {"crop_scale": [0.3, 1.0]}, {"crop": "plain"}),
    (ImageAugmentation, {"crop_ratio": [0.5, 2.0]}, {"crop": "plain"}),
    *(
        (ImageAugmentation, {name: 0.3}, {"jitter": 0})
        for name in ("brightness", "contrast", "saturation", "hue")
    ),
    (ImageAugmentation, {"blur_sigma": [0.3, 1.0]}, {"blur": 0}),
    (Audio, {"source": "sounds", "labels": "labels.csv"}, {"source": "notes"}),
    (Audio, {"source": "a", "labels": "a.csv", "table": {"header": False}}, {"labels": None}),
    (Audio, {"augment": {"warp": 0.3}}, {"representation": "waveform"}),
    (Audio, {"equal_level": False, "augment": {"gain": 3.0}}, {"equal_level": True}),
    (AudioAugmentation, {"noise_snr": [1.0, 2.0]}, {"noise": 0}),
    (AudioAugmentation, {"background_snr": [1.0, 2.0]}, {"background": 0}),
    (AudioAugmentation, {"time_mask": 0.3}, {"time_masks": 0}),
    (AudioAugmentation, {"frequency_mask": 0.3}, {"frequency_masks": 0}),
    *(
        (Wav2Vec, {name: value}, {"checkpoint": "folder"})
        for name, value in {
            "architecture": "hubert", "layers": 2, "width": 64, "heads": 2, "channels": 8,
            "dropout": 0.2,
        }.items()
    ),
    (Text, {"source": "a.txt", "unit": "paragraph"}, {"source": "a.csv"}),
    *(
        (Text, {"source": "a.csv", name: "name"}, {"source": "a.txt"})
        for name in ("column", "label", "split")
    ),
    (Text, {"source": "a.txt", "encoding": "cp1252"}, {"source": "a.csv"}),
    (Text, {"source": "a.csv", "table": {"encoding": "cp1252"}}, {"source": "a.txt"}),
    (Text, {"vocabulary": 300}, {"tokenizer": "folder"}),
    (Text, {"lowercase": True}, {"tokenizer": "folder"}),
    (TextAugmentation, {"delete_share": 0.2}, {"delete": 0}),
    (BagOfNgrams, {"buckets": 99}, {"ngrams": 1}),
    *(
        (TextTransformer, {name: value}, {"checkpoint": "folder"})
        for name, value in {"layers": 2, "width": 64, "heads": 2, "dropout": 0.2}.items()
    ),
    (
        TextTransformer,
        {"checkpoint": "folder", "architecture": {"hidden_size": 8}},
        {"checkpoint": None},
    ),
    (
        TextTransformer,
        {"checkpoint": "folder", "top": [{"kind": "normalize"}]},
        {"checkpoint": None},
    ),
    *(
        (TopLayer, {"kind": "dense", name: value}, {"kind": "normalize"})
        for name, value in {"outputs": 3, "bias": True, "activation": "relu"}.items()
    ),
    *(
        (Vector, {"source": "a.csv", name: value}, {"source": "a.npy"})
        for name, value in {
            "columns": ["a"], "ignore": ["a"], "label": "a", "split": "a", "max_categories": 3,
            "categorical": ["a"], "numerical": ["a"], "table": {"decimal": ","},
        }.items()
    ),
]  # fmt: skip


def name(case: Any) -> str:
    return f"{case.__module__.split('.')[0]}-{case.__name__}" if isinstance(case, type) else ""


def conditional(model: type[Settings], *values: Mapping[str, Any]) -> tuple[str, Any]:
    """The setting that is read on a condition, and the condition, among those with values."""
    decisive = [
        (setting, condition)
        for condition in conditions_of(model)
        for setting in condition.settings
        if _holds(values[0], setting) and any(_holds(values[1], key) for key in condition.on)
    ]
    ((setting, condition),) = decisive
    return setting, condition


def _holds(values: Mapping[str, Any], key: str) -> bool:
    try:
        value_of(values, key)
    except KeyError:
        return False
    return True


def complaint(model: type[Settings], values: Mapping[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    text = describe(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("model", "read", "change"), READ, ids=name)
class TestEveryCondition:
    def test_what_nothing_reads_is_refused(
        self, model: type[Settings], read: dict[str, Any], change: dict[str, Any]
    ) -> None:
        model.model_validate(read)
        setting, condition = conditional(model, read, change)
        text = complaint(model, merge(BaseModel, [read, change]))
        assert text.startswith(f"{setting} is set, and nothing reads it where ")
        assert all(f"{key} is " in text for key in condition.on)
        assert "; leave it out, or " in text
        assert any(key in text.rpartition("; ")[2] for key in condition.on)

    def test_a_change_on_top_drops_it(
        self, model: type[Settings], read: dict[str, Any], change: dict[str, Any]
    ) -> None:
        before = dict(read)
        setting, _ = conditional(model, read, change)
        merged = merge(model, [read, change])
        assert not _holds(merged, setting)
        assert read == before
        model.model_validate(merged)

    def test_it_is_not_written(
        self, model: type[Settings], read: dict[str, Any], change: dict[str, Any]
    ) -> None:
        setting, _ = conditional(model, read, change)
        without = model.model_validate(merge(model, [read, change]))
        written = without.model_dump(mode="json")
        assert not _holds(written, setting)
        assert model.model_validate(written) == without
        assert model.model_validate(parse_yaml(commented_yaml(without), "file")) == without
        assert _holds(model.model_validate(read).model_dump(mode="json"), setting)


def every_group() -> Iterator[type[Settings]]:
    """Every class of settings of natlib's own components, and of the groups inside them."""
    for family in FAMILIES:
        for row in family.listing():
            family.get(row.kind)
    waiting: list[type[Settings]] = [Settings]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.__module__.startswith("natlib"):
            yield cls


def test_every_condition_has_a_case() -> None:
    tested = {(model, conditional(model, read, change)[0]) for model, read, change in READ}
    declared = {
        (cls, setting)
        for cls in every_group()
        for condition in cls.__dict__.get("conditions", ())
        for setting in condition.settings
        if cls.__name__ != "Modality"  # Image stands for it
    }
    assert declared <= tested


def test_conditions_are_about_settings_that_there_are() -> None:
    for cls in every_group():
        for condition in conditions_of(cls):
            for path in (*condition.settings, *condition.on):
                group: Any = cls
                for part in path.split("."):
                    assert part in group.model_fields, (cls, path)
                    group = group.model_fields[part].annotation


# Words of a docstring that says when a setting counts, and those where they mean something else.
LIMITED = re.compile(r"\bonly\b|no effect|\bunless\b|\bignored\b|\bdetermines\b", re.IGNORECASE)
NO_LIMIT = {
    "EvaluationConfig.baselines", "SlotAssignment.class_targets",
    "LearnedPrototypes.spread", "VocDetection.pyramid", "Column.missing",
}  # fmt: skip


def test_a_setting_that_only_counts_sometimes_has_a_condition() -> None:
    groups = set(every_group())
    # By their last names: an outer group may say when a setting of an inner one is read.
    conditional = {
        path.rpartition(".")[2]
        for cls in groups
        for each in conditions_of(cls)
        for path in (*each.settings, *each.on)
    }
    limited = {
        f"{cls.__name__}.{field}"
        for cls in groups
        for field, info in cls.model_fields.items()
        if field in cls.__annotations__
        and field not in conditional
        and LIMITED.search(info.description or "")
    }
    assert limited <= NO_LIMIT


def test_several_at_once_are_named_together() -> None:
    text = complaint(ImageAugmentation, {"jitter": 0, "hue": 0.1, "contrast": 0.2, "grey": 0.1})
    assert text == (
        "contrast and hue are set, and nothing reads them where jitter is 0.0; leave them out, or "
        "set jitter above 0"
    )


def test_the_full_path_is_named() -> None:
    data = {"kind": "image", "augment": {"jitter": 0, "hue": 0.1}}
    assert complaint(RunConfig, {"data": data}) == (
        "data.augment.hue is set, and nothing reads it where data.augment.jitter is 0.0; leave it "
        "out, or set data.augment.jitter above 0"
    )


def test_what_is_off_needs_no_reader() -> None:
    """So a preset may turn off everything, whatever is switched on over it."""
    off = Audio.model_validate({"augment": {"gain": 0.0}})
    assert Audio.model_validate(off.model_dump(mode="json")) == off
    merged = merge(Audio, [{"augment": {"gain": 0.0}}, {"equal_level": True}])
    assert merged == {"augment": {"gain": 0.0}, "equal_level": True}


def test_an_invalid_value_is_an_error_of_its_own() -> None:
    text = complaint(ImageAugmentation, {"jitter": "much", "hue": 0.1})
    assert text.startswith("jitter: input should be a valid number")
    merge(ImageAugmentation, [{"hue": 0.1}, {"jitter": "much"}])


def test_in_python_too() -> None:
    with pytest.raises(ValidationError, match="buckets is set, and nothing reads it"):
        BagOfNgrams(ngrams=1, buckets=3)
    assert BagOfNgrams(buckets=3).changed(ngrams=3) == BagOfNgrams(ngrams=3, buckets=3)
    with pytest.raises(ValidationError, match="buckets is set"):
        BagOfNgrams(buckets=3).changed(ngrams=1)


def test_of_a_protocol() -> None:
    with pytest.raises(ConfigError, match="'weight' has no effect: a later one sets methods to"):
        compose_protocol("semi", ["weight=2", "methods=[class_targets]"])


def test_blur_of_small_images_by_default(caplog: pytest.LogCaptureFixture) -> None:
    # As ``natlib config init`` writes it, before the size is known.
    small = Image.model_validate({"size": 32, "augment": {"blur_sigma": [0.1, 1.0]}})
    assert small.resolved().augment.blur == 0
    assert "blur_sigma has no effect: views of 32 pixels are not blurred" in caplog.text
    assert Image(size=32).resolved().augment.blur == 0
    large = Image.model_validate({"size": 224, "augment": {"blur_sigma": [0.1, 1.0]}}).resolved()
    assert Image.model_validate(large.model_dump(mode="json")) == large
