"""The arena of methods: equal searches, test images that no search sees, peers that keep the
contract of an objective.
"""

import csv
import json
from pathlib import Path

import pytest
import torch

from benchmarks.quality.ablations import ABLATIONS, changed
from benchmarks.quality.arenas import ARENAS
from benchmarks.quality.methods import METHODS
from benchmarks.quality.validation import (
    validation_folder,
    validation_speakers,
    validation_table,
)


def names(folder: Path) -> set[Path]:
    return {path.resolve() for path in folder.rglob("*.png")}


def test_validation_images_are_training_images_that_are_not_trained_on(
    images: Path, tmp_path: Path
) -> None:
    made = validation_folder(images, tmp_path / "validation", 0.25)
    kept, aside = names(made / "train"), names(made / "test")
    assert len(aside) == 2 * 3
    assert not kept & aside
    assert kept | aside == names(images / "train")
    # Made once: what a search is evaluated on stays the same.
    assert names(validation_folder(images, tmp_path / "validation", 0.5) / "test") == aside


def test_validation_speakers_are_not_heard_in_training(tmp_path: Path) -> None:
    for kind in ("a", "b"):
        for speaker in range(10):
            for take in range(3):
                clip = tmp_path / "sounds" / "train" / kind / f"{speaker:02x}_nohash_{take}.wav"
                clip.parent.mkdir(parents=True, exist_ok=True)
                clip.touch()
    made = validation_speakers(tmp_path / "sounds", tmp_path / "validation", 0.2)
    speakers = {
        split: {path.name.split("_")[0] for path in (made / split).rglob("*.wav")}
        for split in ("train", "test")
    }
    assert (len(speakers["train"]), len(speakers["test"])) == (8, 2)
    assert not speakers["train"] & speakers["test"]
    assert len(list((made / "test").rglob("*.wav"))) == 2 * 2 * 3


def test_validation_texts_are_training_texts(tmp_path: Path) -> None:
    rows = [
        ("train" if number % 3 else "test", ("x", "y")[number % 2], f"text, {number}")
        for number in range(60)
    ]
    table = tmp_path / "texts.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("split", "label", "text"), *rows])
    made = validation_table(table, tmp_path / "validation", 0.1)
    with made.open(newline="") as file:
        found = [(row["split"], row["label"], row["text"]) for row in csv.DictReader(file)]
    assert [row[1:] for row in found] == [row[1:] for row in rows if row[0] == "train"]
    assert sorted(row[1] for row in found if row[0] == "test") == ["x", "x", "y", "y"]
    assert validation_table(table, tmp_path / "validation", 0.5).read_bytes() == made.read_bytes()
    assert [path.name for path in made.parent.iterdir()] == ["validation.csv"]


@pytest.mark.parametrize("name", METHODS)
def test_searches_are_equal(name: str) -> None:
    method = METHODS[name]
    trials = method.trials(12)
    assert trials[0] == method.start
    assert len({json.dumps(trial, sort_keys=True) for trial in trials}) == 12
    assert trials == method.trials(20)[:12]
    for trial in trials[1:]:
        assert trial.keys() == method.space.keys()
        assert all(trial[key] in values for key, values in method.space.items())


def test_settings_are_those_of_natlib() -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    import natlib
    from benchmarks.quality import peers

    pytest.importorskip("torchaudio", reason="an arena is of sound (extra 'audio')")
    for arena in ARENAS.values():
        common = arena.common(arena.final, 1, baselines=False)
        assert arena.own.keys() <= METHODS.keys()
        for name, method in METHODS.items():
            for trial in method.trials(2):
                settings = [*common, *arena.own.get(name, ()), *method.settings(trial)]
                objective = natlib.compose(
                    arena.modality, preset="nat", settings=settings
                ).objective
                for setting in arena.own.get(name, ()):
                    key, _, value = setting.removeprefix("objective.").partition("=")
                    assert str(getattr(objective, key)) == value
        best = METHODS["nat"].settings(METHODS["nat"].start)
        for settings in ABLATIONS.values():
            own = changed(best, settings)
            natlib.compose(arena.modality, preset="nat", settings=[*common, *own])
    assert {method.fixed["objective.kind"] for method in METHODS.values()} == {
        "nat",
        *(getattr(peers, name).model_fields["kind"].default for name in peers.__all__),
    }


def test_every_ingredient_has_its_place_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs"))
    from pictures.ablations import BASE, GROUPS, RECORDED

    shown = [name for group in GROUPS.values() for name in group]
    assert sorted([BASE, *shown]) == sorted(ABLATIONS)
    assert json.loads(RECORDED.read_text()).keys() <= ABLATIONS.keys()


def test_what_changes_nothing_is_the_same_run() -> None:
    base = ["a=1", "b={c: 2, d=e: 3}"]
    assert changed(base, []) == changed(base, ["a=1"]) == base
    assert changed(base, ["c=null", "a=2"]) == ["a=2", "b={c: 2, d=e: 3}", "c=null"]


def test_a_new_group_takes_the_place_of_the_settings_inside_it() -> None:
    base = ["a.b=1", "a.c.d=2", "ab=3", "e=4"]
    assert changed(base, ["a={b: 5}"]) == ["ab=3", "e=4", "a={b: 5}"]
    assert changed(base, ["a.c=null", "a.c.d=6"]) == ["a.b=1", "ab=3", "e=4", "a.c=null", "a.c.d=6"]


def test_what_is_recorded_is_found_by_the_settings_of_today() -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    from benchmarks.quality.__main__ import MEASURED, task
    from benchmarks.quality.record import Record

    for name, trials in (("a", 12), ("b", 12), ("d-audio", 6), ("d-text", 6)):
        arena, record = ARENAS[name], Record(MEASURED / f"quality-{name}-search.json")
        baselines = not arena.baselines_once
        for method in METHODS:
            for trial in METHODS[method].trials(trials):
                own = METHODS[method].settings(trial)
                run = task(arena, Path(), Path(), arena.search, 0, method, own, baselines=baselines)
                assert record.find(run[2]) is not None, f"{name}: {method}: {own}"


def test_peers_keep_the_contract_of_objectives() -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    from benchmarks.quality import peers
    from natlib.testing import check_objective

    for name in peers.__all__:
        assert len(check_objective(getattr(peers, name)())) >= 14


def test_byol_follows_and_predicts_as_published() -> None:
    pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")
    from benchmarks.quality import peers
    from natlib.encoders import MlpEncoder
    from natlib.objectives import Teacher, TeacherModule

    torch.manual_seed(0)
    encoder = MlpEncoder(widths=(9, 8)).build((7,))
    config = peers.BYOL(dim=5, predictor_width=6, teacher=Teacher(momentum=0.7))
    module = config.build(8)
    module.on_start(encoder)
    views = list(torch.randn(2, 12, 7))
    assert module.extra_inputs(views) == []
    loss = module([encoder(view) for view in views]).loss
    unit = torch.nn.functional.normalize
    p = [unit(module.predictor(module.head(encoder(view)))) for view in views]
    t = [unit(module.head(encoder(view))).detach() for view in views]
    expected = -0.5 * ((p[0] * t[1]).sum(-1).mean() + (p[1] * t[0]).sum(-1).mean())
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(weight.grad is None for weight in module.target.parameters())
    # lightly's average is the one of NAT's teacher.
    other = TeacherModule(encoder, module.head)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(1.5)
    module.after_update(encoder, 0.25)
    other.follow(encoder, module.head, config.teacher.momentum_at(0.25))
    for mine, theirs in zip(other.parameters(), module.target.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
