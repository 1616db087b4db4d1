"""The report in a browser without a window: Debian's chromium; skipped where there is none."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from natlib.report.page import Section, render, write_page
from natlib.report.sections import map as map_section
from tests.cli.command import SMALL, assert_done, natlib, write_pictures

BROWSER = shutil.which("chromium")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip


def chromium(folder: Path, *arguments: str) -> tuple[str, list[str]]:
    """The output of chromium, and the messages of its console."""
    assert BROWSER is not None
    command = [BROWSER, *OPTIONS, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    for number, name in enumerate(("<i>one", "two")):
        write_pictures(folder / "photos" / name, 12, first=12 * number)
    hostile = folder / "photos" / "two" / "<img src=x onerror=document.title='boom'>.png"
    (folder / "photos" / "two" / "023.png").rename(hostile)
    data = ("--modality", "image", "--data", folder / "photos")
    assert_done(natlib("train", *data, *SMALL, "--out", folder / "run"))
    with pytest.MonkeyPatch.context() as patch:
        # Compiling UMAP takes longer than all tests here.
        patch.setattr(map_section, "has_umap", lambda: False)
        assert_done(natlib("report", folder / "run"))
    return folder / "run" / "report.html"


def test_the_page_draws_its_map_without_errors(report: Path, tmp_path: Path) -> None:
    found, messages = chromium(tmp_path, "--dump-dom", report.as_uri())
    assert messages == []
    assert re.search(r'<html[^>]* data-ready="\d+"', found)
    assert re.findall(r'<option value="([^"]+)"', found)[-3:] == [
        "class", "cluster (k-means)", "cosine with targets (rank)",
    ]  # fmt: skip
    assert "&lt;i&gt;one (12)" in found


def test_the_name_of_a_selected_sample_is_shown_as_text(report: Path, tmp_path: Path) -> None:
    found, messages = chromium(tmp_path, "--dump-dom", f"{report.as_uri()}#sample-23")
    assert messages == []
    (tip,) = re.findall(r'<div class="map-tip"[^>]*>(.*?)</strong>', found, flags=re.S)
    assert "<canvas" in tip
    assert "<img" not in tip
    assert "<img src=x onerror=document.title='boom'>.png" in html.unescape(tip)
    assert "<title>run</title>" in found


@pytest.mark.parametrize(("scheme", "dark"), [("0", True), ("1", False)])
def test_it_follows_the_colour_scheme_of_the_browser(
    report: Path, tmp_path: Path, scheme: str, dark: bool
) -> None:
    picture = tmp_path / "page.png"
    chromium(
        tmp_path, f"--blink-settings=preferredColorScheme={scheme}", "--window-size=900,700",
        f"--screenshot={picture}", report.as_uri(),
    )  # fmt: skip
    pixels = np.asarray(Image.open(picture).convert("L"))
    assert (np.median(pixels) < 60) == dark
    assert pixels.std() > 5


def test_the_security_policy_blocks_foreign_scripts(tmp_path: Path) -> None:
    # The policy of the page stops what escaping misses.
    text = render("a", [], [Section("a", "b", "note.html.j2", {"text": "c"})])
    (tmp_path / "other.js").write_text("document.title = 'loaded'")
    hostile = "<script>document.title='ran'</script><script src='other.js'></script></main>"
    write_page(tmp_path / "page.html", text.replace("</main>", hostile))
    found, messages = chromium(tmp_path, "--dump-dom", (tmp_path / "page.html").as_uri())
    assert "<title>a</title>" in found
    assert len([line for line in messages if "Content Security Policy" in line]) == 2
    assert 'data-ready="' in found
