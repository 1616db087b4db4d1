"""The page: every section, nothing from outside, nothing that a sample may smuggle in."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from natlib.data import Thumbnail
from natlib.report.page import Section, breakable, render
from natlib.report.sections import map as map_section
from natlib.report.sprites import sprites
from tests.cli.command import SMALL, assert_done, assert_refused, natlib, write_pictures
from tests.report.page import Page, read_page

SECTIONS = ["evaluation", "health", "curves", "map", "neighbours", "views", "targets", "slots",
            "spectrum", "layers", "filters"]  # fmt: skip
HOSTILE = "<script>boom()</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pictures whose names and classes are HTML."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(("<b onclick=boom()>", "'quoted' & \"more\"")):
        write_pictures(folder / "photos" / name, 12, first=12 * number)
        first = folder / "photos" / name / f"{12 * number:03d}.png"
        first.rename(first.with_name("<img src=x onerror=boom()>.png"))
    out = folder / "run"
    data = ("--modality", "image", "--data", folder / "photos")
    assert_done(natlib("train", *data, *SMALL, "--epochs", "2", "--out", out))
    return out


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    assert_done(natlib("report", run))
    return read_page(run / "report.html")


def test_all_sections_in_order(page: Page) -> None:
    assert list(page.sections) == SECTIONS
    links = [values["href"] for tag, values in page.tags if tag == "a"]
    assert links == [f"#{name}" for name in SECTIONS]
    pictures = [values["src"] for tag, values in page.tags if tag == "img"]
    assert len(pictures) > 100


def test_the_page_loads_nothing_and_runs_only_its_own_script(page: Page) -> None:
    page.check_loads_nothing()
    assert not [tag for tag, values in page.tags if values.get("src") == "x"]
    assert "onclick" not in {name for _, values in page.tags for name in values}
    kinds = [values.get("type", "") for tag, values in page.tags if tag == "script"]
    assert kinds == ["application/json", ""]
    assert sum("<img src=x onerror" in name for name in json.loads(page.scripts[0])["names"]) == 2
    (policy,) = [v["content"] for t, v in page.tags if v.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy


def test_frames_are_as_wide_as_pictures(page: Page) -> None:
    # The style sheet bounds both sides by the ratio; a frame is drawn around the picture itself.
    pictures = [values for tag, values in page.tags if tag == "img"]
    for values in pictures:
        ratio = int(values["width"]) / int(values["height"])
        assert values["style"] == f"--ratio:{ratio:.3f}"
    (style,) = page.styles
    assert ".wrong > img.thumbnail { outline:" in style
    assert "--ratio" in style


def test_every_chart_has_a_legend_and_names_of_both_axes(page: Page) -> None:
    axes = [values for tag, values in page.tags if tag == "text" and values["class"] == "axis"]
    charts = [values for tag, values in page.tags if tag == "svg" and values["class"] == "chart"]
    assert len(axes) == 2 * len(charts)
    legends = [tag for tag, values in page.tags if tag == "ul" and values["class"] == "legend"]
    assert len(legends) == len(charts) > 10


def test_a_finished_run_has_done_all_its_epochs(page: Page) -> None:
    assert "2 of 2" in page.text
    assert "finished" in page.text


def test_the_map_has_every_sample(page: Page) -> None:
    data = json.loads(page.scripts[0])
    assert len(data["names"]) == 24
    assert data["colours"]["class"]["of"].count(0) == 12
    assert {"PCA", "PCA, as it began"} <= data["layouts"].keys()
    assert data["pictures"]["kind"] == "tiles"
    assert len(data["colours"]["cluster (k-means)"]["names"]) == 2
    assert sorted(data["colours"]["cosine with targets (rank)"]["share"])[::23] == [0, 1]


def test_tiles_of_the_map_are_transparent_beside_a_picture() -> None:
    wide, high = (np.full((*shape, 3), 200, np.uint8) for shape in ((20, 40), (40, 20)))
    found = sprites([Thumbnail.from_pixels(wide)] * 2 + [Thumbnail.from_pixels(high)])
    assert (found["width"], found["height"]) == (40, 20)
    (sheet,) = found["sheets"]
    data = base64.b64decode(sheet.removeprefix("data:image/webp;base64,"))
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert (pixels[:, :80, 3] == 255).all()
    shown = pixels[10, 80:, 3] > 0
    assert 8 <= shown.sum() <= 12
    assert not shown[[0, -1]].any()


def test_markup_in_samples_is_escaped(tmp_path: Path) -> None:
    lines = [f"{HOSTILE} {word} </script><!-- {number}" for number in range(24)
             for word in ("ships", "sails")]  # fmt: skip
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    run = tmp_path / "run"
    settings = ("training.device=cpu", "training.workers=0", "objective.head.widths=[16]",
                "objective.targets.dim=8", "objective.assignment.slots=2")  # fmt: skip
    words = [word for setting in settings for word in ("--set", setting)]
    data = ("--modality", "text", "--data", tmp_path / "lines.txt")
    assert_done(natlib("train", *data, *words, "--epochs", "1", "--batch-size", "16", "--out", run))
    assert_done(natlib("report", run))
    page = read_page(run / "report.html")
    page.check_loads_nothing()
    assert len(page.scripts) == 2
    assert HOSTILE in page.sections["neighbours"]
    assert HOSTILE in json.loads(page.scripts[0])["pictures"]["items"][0]
    assert "no labels" in page.sections["evaluation"]


def test_a_template_escapes_and_a_missing_value_is_an_error() -> None:
    text = render(
        HOSTILE, [(HOSTILE, HOSTILE)], [Section("a", HOSTILE, "note.html.j2", {"text": HOSTILE})]
    )
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;boom") == 7
    with pytest.raises(Exception, match="'text' is undefined"):
        render("", [], [Section("a", "", "note.html.j2")])


@pytest.mark.parametrize(
    ("name", "parts"),
    [("a/b_c.jpg", ["a/", "b_", "c.", "jpg"]), ("0.455", ["0.455"]), ("plain", ["plain"]),
     ("_a_", ["_", "a_"]), ("", [""]), ("<b_>", ["&lt;b_", "&gt;"])],
)  # fmt: skip
def test_names_break_where_they_have_joints(name: str, parts: list[str]) -> None:
    assert breakable(name) == "<wbr>".join(parts)


def copy(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


def test_a_second_report_is_equal(run: Path, page: Page, tmp_path: Path) -> None:
    again = copy(run, tmp_path)
    before = torch.get_rng_state()
    assert_done(natlib("report", again))
    assert torch.equal(torch.get_rng_state(), before)
    assert (again / "report.html").read_text() == (run / "report.html").read_text()


def test_without_samples_there_are_still_curves(run: Path, tmp_path: Path) -> None:
    moved = copy(run, tmp_path)
    config = (moved / "model" / "model.json").read_text()
    source = str(run.parent / "photos")
    assert source in config
    (moved / "model" / "model.json").write_text(config.replace(source, str(tmp_path / "gone")))
    assert_done(natlib("report", moved))
    page = read_page(moved / "report.html")
    assert list(page.sections) == ["evaluation", "health", "curves", "samples"]
    assert "gone" in page.sections["samples"]


def test_without_a_model_there_are_still_curves(run: Path, tmp_path: Path) -> None:
    young = copy(run, tmp_path)
    shutil.rmtree(young / "model")
    (young / "evaluations" / "standard.json").unlink()
    with (young / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "epo')  # being written
    assert_done(natlib("report", young))
    page = read_page(young / "report.html")
    assert list(page.sections) == ["evaluation", "health", "curves", "samples"]
    assert "not finished" in page.sections["evaluation"]


def test_without_umap_a_note_says_what_to_install(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_section, "has_umap", lambda: False)
    other = copy(run, tmp_path)
    assert_done(natlib("report", other))
    page = read_page(other / "report.html")
    assert "natlib[report]" in page.sections["map"]
    assert list(json.loads(page.scripts[0])["layouts"]) == ["PCA", "PCA, as it began"]


def test_a_single_sample_is_enough_for_a_page(run: Path, tmp_path: Path) -> None:
    few = copy(run, tmp_path)
    assert_done(natlib("report", few, "--points", "1"))
    page = read_page(few / "report.html")
    assert list(page.sections) == SECTIONS
    for name in ("map", "neighbours", "layers"):
        assert "only one sample" in page.sections[name] or "too few" in page.sections[name]


def test_bad_input_is_one_line(run: Path, tmp_path: Path) -> None:
    assert_refused(natlib("report", tmp_path / "none"), "none", "no natlib run")
    vector = tmp_path / "vector"
    small = ("--max-samples", "32", "--epochs", "1", "--batch-size", "16")
    assert_done(natlib("train", "--modality", "vector", *small, "--out", vector))
    said = natlib("report", run, "--against", vector)
    assert_refused(said, "modality 'vector'", "'image'", "--against")
    assert_refused(natlib("report", run, "--against", tmp_path / "none"), "none")
    damaged = copy(run, tmp_path)
    lines = (damaged / "metrics.jsonl").read_text().splitlines()
    (damaged / "metrics.jsonl").write_text("\n".join(["nonsense", *lines]) + "\n")
    assert_refused(natlib("report", damaged), "line 1", "metrics.jsonl")
    assert_refused(natlib("report", run, "--points", "0"), "--points", code=2)


def test_a_run_on_other_samples_is_compared_on_those_of_this_one(run: Path, tmp_path: Path) -> None:
    data = ("--modality", "image", "--data", write_pictures(tmp_path / "photos", 24))
    assert_done(natlib("train", *data, *SMALL, "--out", tmp_path / "other"))
    other = copy(run, tmp_path)
    # It reads the samples of the first run, in its own way.
    assert_done(natlib("report", other, "--against", tmp_path / "other"))
    assert "With other" in read_page(other / "report.html").sections["layers"]
