"""Whatever protocol is registered keeps the contract, from the command line and from Python."""

import json
from pathlib import Path

import pytest
import torch

from natlib.evaluation import Evaluation
from natlib.protocols import Protocol, Subject, compose_protocol
from natlib.training import RunDirectory, read_evaluations
from tests.cli.command import assert_done, assert_refused, content, natlib
from tests.evaluation.gaussian_blobs import GaussianBlobs

KINDS = Protocol.registry.kinds()
SMALLER: dict[str, list[str]] = {
    "clusters": ["restarts=2", "seeds=2"],
    "few_labels": [
        "fractions=[0.1]",
        "per_class=[4]",
        "seeds=2",
        "finetune={epochs: 2, min_updates: 0, learning_rates: [0.01, 0.001]}",
    ],
    "finetune": ["training.epochs=2", "training.min_updates=0", "training.batch_size=16"],
    "mlp": ["training.widths=[8]", "training.epochs=2", "training.batch_size=16"],
    "semi": [
        "fractions=[0.1]",
        "per_class=[4]",
        "seeds=2",
        "finetune={epochs: 2, min_updates: 0, learning_rates: [0.01]}",
        "epochs=2",
    ],
}
"""Settings with which a protocol takes about a second on the made-up run."""
ELSEWHERE = {
    "imagenet": "the protocol 'imagenet' evaluates runs on images only",
    "voc_classification": "Pascal VOC evaluates runs on images only",
    "voc_detection": "Pascal VOC evaluates runs on images only",
}
"""Protocols that evaluate one modality only, and what they say of another."""
EVERYWHERE = [kind for kind in KINDS if kind not in ELSEWHERE]


def options(kind: str) -> list[str]:
    return [part for text in SMALLER.get(kind, []) for part in ("--set", text)]


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_from_the_command_line(kind: str, run: Path, tmp_path: Path) -> None:
    before = content(run)
    out = tmp_path / "result.json"
    said = assert_done(natlib("eval", run, "--protocol", kind, *options(kind), "--json", out))
    kept = run / "evaluations" / f"{kind}.json"
    assert out.read_text() == kept.read_text()
    assert said.out.endswith(f"Saved in {kept}\nWritten to {out}\n")

    result = Evaluation.from_json(out.read_text())
    assert Evaluation.from_json(result.to_json()) == result
    assert (result.protocol, result.source) == (kind, None)
    assert result.settings == compose_protocol(kind, SMALLER.get(kind, [])).model_dump(mode="json")
    assert all(row.keys() <= result.columns.keys() for row in result.rows.values())
    for row in result.cells():
        assert row[0] in said.out
        for cell in row[1:]:
            assert cell in said.out
    # Beside its baselines: an encoder that learnt nothing, and no encoder at all.
    named = " ".join([*result.rows, *result.columns])
    assert "start" in named or "from scratch" in named
    assert "raw" in named
    data = GaussianBlobs(train=90, test=30)
    train, test = data.dataset("train"), data.dataset("test")
    assert test is not None
    assert train is not None
    assert result.train_fingerprint == train.fingerprint()
    assert result.test_fingerprint == test.fingerprint()
    assert (result.details.train_samples, result.details.test_samples) == (90, 30)
    assert result.details.classes == ["c0", "c1", "c2"]
    assert len(result.config_hash) == 64

    after = content(run)
    changed = {name for name in after if after[name] != before.get(name)}
    assert all(name.split("/")[0] == "evaluations" for name in changed)
    assert read_evaluations(RunDirectory(run))[kind] == result


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_leaves_the_model_as_it_was_and_says_the_same_again(kind: str, subject: Subject) -> None:
    protocol = compose_protocol(kind, SMALLER.get(kind, []))
    modules = {"encoder": subject.model.encoder, "objective": subject.model.objective}
    before = {
        (part, name): value.clone()
        for part, module in modules.items()
        for name, value in module.state_dict().items()
    }
    modes = [part.training for module in modules.values() for part in module.modules()]
    random = torch.get_rng_state()
    result = protocol.run(subject)
    assert torch.equal(torch.get_rng_state(), random)
    assert [part.training for module in modules.values() for part in module.modules()] == modes
    for (part, name), value in before.items():
        assert torch.equal(modules[part].state_dict()[name], value), (part, name)
    assert all(weight.grad is None for weight in subject.model.encoder.parameters())
    assert protocol.run(subject) == result
    assert result.config_hash == subject.config.digest()


@pytest.mark.parametrize("kind", KINDS)
def test_without_labels(kind: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind in ELSEWHERE:
        assert_refused(natlib("eval", run, "--protocol", kind), ELSEWHERE[kind])
        return
    whole = GaussianBlobs.dataset

    def unlabelled(self: GaussianBlobs, split: str, cache: Path | None = None) -> object:
        samples = whole(self, split, cache)  # type: ignore[arg-type]
        if samples is not None:
            samples.labels = None
        return samples

    monkeypatch.setattr(GaussianBlobs, "dataset", unlabelled)
    said = natlib("eval", run, "--protocol", kind, *options(kind))
    assert_refused(said, "no training sample has a label", "give a source with labels")
    assert [path.name for path in (run / "evaluations").iterdir()] == ["standard.json"]


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_with_one_class_only(kind: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = GaussianBlobs.dataset

    def alike(self: GaussianBlobs, split: str, cache: Path | None = None) -> object:
        samples = whole(self, split, cache)  # type: ignore[arg-type]
        if samples is not None and samples.labels is not None:
            samples.labels = torch.zeros_like(samples.labels)
        return samples

    monkeypatch.setattr(GaussianBlobs, "dataset", alike)
    said = natlib("eval", run, "--protocol", kind, *options(kind))
    assert_refused(said, "'c0'", "two classes")


def test_an_unknown_protocol_or_setting_names_the_nearest(run: Path) -> None:
    assert_refused(natlib("eval", run, "--protocol", "liner"), "'liner'", "did you mean 'linear'?")
    said = natlib("eval", run, "--protocol", "knn", "--set", "neighbors=[1]")
    assert_refused(said, "knn", "neighbors", "did you mean 'neighbours'?")
    assert_refused(
        natlib("eval", run, "--protocol", "knn", "--set", "evaluation.sed=1"),
        "evaluation.sed",
        "did you mean 'seed'?",
    )
    assert_refused(natlib("eval", run, "--set", "neighbours=[1]"), "--protocol")


def test_an_unknown_stage_names_the_nearest_or_all(run: Path) -> None:
    for stages, words in (
        ("[layr1]", "the encoder has no stage 'layr1'; did you mean 'layer1'?"),
        ("[wall]", "the encoder has no stage 'wall'; expected one of: flatten, layer1"),
        ("[layer1,wall]", "the encoder has no stage 'wall'; expected one of: flatten, layer1"),
        ("[]", "layers: stages"),
    ):
        said = natlib("eval", run, "--protocol", "layers", "--set", f"stages={stages}")
        assert_refused(said, words)
    assert [path.name for path in (run / "evaluations").iterdir()] == ["standard.json"]


def test_settings_of_protocol_and_evaluation_count(run: Path) -> None:
    said = ("--set", "neighbours=[3]", "--set", "evaluation.seed=4")
    assert_done(natlib("eval", run, "--protocol", "knn", *said))
    result = json.loads((run / "evaluations" / "knn.json").read_text())
    assert result["settings"]["neighbours"] == [3]
    assert result["details"]["chosen"]["encoder"] == {"neighbours": 3}
    assert result["seed"] == 4


def test_a_result_on_another_source_has_a_name_of_its_own(run: Path) -> None:
    assert_done(natlib("eval", run, "--protocol", "knn"))
    assert_done(natlib("eval", run, "--protocol", "knn", "--data", "some where/oth er"))
    results = read_evaluations(RunDirectory(run))
    assert set(results) == {"standard", "knn", "knn-oth-er"}
    assert results["knn-oth-er"].source == "some where/oth er"


def test_the_evaluation_of_training_is_one_of_them(run: Path) -> None:
    trained = read_evaluations(RunDirectory(run))["standard"]
    assert_done(natlib("eval", run, "--protocol", "standard"))
    assert read_evaluations(RunDirectory(run))["standard"] == trained
    assert trained.value("encoder", "speed") is None
    assert trained.value("nothing", "knn") is None


def test_a_damaged_result_is_named(run: Path) -> None:
    assert_done(natlib("eval", run, "--protocol", "knn"))
    path = run / "evaluations" / "knn.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(ValueError, match=r"knn\.json is not an evaluation"):
        read_evaluations(RunDirectory(run))
