"""Every preset with every assignment: it trains, or one line names the settings that exclude
each other."""

from pathlib import Path

import pytest

import natlib
from natlib.assignment import Assignment
from natlib.configuration import preset_names
from natlib.data import Modality
from natlib.errors import ConfigError
from tests.core.families import MODALITIES, members

PRESETS = [
    (kind, preset)
    for kind in MODALITIES
    for preset in preset_names(Modality.registry.get(kind).presets)
]
# One view of a sample, which a bank alone can teach.
ONE_VIEW = {(kind, "nat2017") for kind in MODALITIES}
SMALL = [
    "training.epochs=1", "training.batch_size=8", "training.device=cpu", "training.workers=0",
    "training.knn_every_epochs=null", "data.max_samples=16", "evaluation.final=false",
]  # fmt: skip
OWN = {
    "image": ["data.source=digits", "data.size=8", "data.resize=10",
              "encoder={kind: convnet, widths: [4, 8]}"],
    "audio": ["encoder={kind: audio_convnet, widths: [4, 8]}"],
    "text": ["data.max_samples=64", "data.vocabulary=512",
             "encoder={kind: bag_of_ngrams, width: 8, buckets: 512}"],
    "vector": ["encoder={kind: mlp, widths: [8]}"],
}  # fmt: skip


@pytest.mark.parametrize("assignment", [each.kind for each in members(Assignment)])
@pytest.mark.parametrize(("kind", "preset"), PRESETS)
def test_a_preset_with_another_assignment(
    kind: str, preset: str, assignment: str, tmp_path: Path
) -> None:
    where = "objective.parts.nat.objective" if preset == "semi" else "objective"
    labels = ["labels.fraction=0.5"] if preset == "semi" else []
    settings = [*SMALL, *OWN[kind], *labels, f"{where}.assignment={assignment}"]
    if (kind, preset) in ONE_VIEW and assignment != "bank":
        with pytest.raises(ConfigError) as caught:
            natlib.compose(kind, preset=preset, settings=settings)
        said = str(caught.value)
        assert "\n" not in said
        assert f"assignment '{assignment}' needs views >= 2" in said
        assert "views is 1; set views to 2 or assignment to bank" in said
        return
    config = natlib.compose(kind, preset=preset, settings=settings)
    result = natlib.train(config, tmp_path / "run")
    assert result.finished
    assert result.step >= 1
