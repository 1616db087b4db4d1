"""Tutorials are notebooks, which the build of the documentation runs."""

import re

import jupytext
import pytest

from tests.docs.pages import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
NOTEBOOKS = [page for page in TUTORIALS if page.stem != "index"]


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_tutorial_is_a_notebook_that_ends_in_a_number_and_a_picture(page):
    cells = [cell for cell in jupytext.read(page, fmt="md:myst").cells if cell.cell_type == "code"]
    for cell in cells:
        compile(cell.source, page.name, "exec")
        # What draws is described, for those who do not see it.
        assert ("alt" in cell.metadata) == ("plt.show()" in cell.source)
    assert "plt.show()" in cells[-1].source
    assert any("print(" in cell.source for cell in cells)
    assert "outputs" not in page.read_text()


def test_every_tutorial_is_offered():
    assert len(NOTEBOOKS) == 6
    index = (ROOT / "docs" / "tutorials" / "index.md").read_text()
    assert set(re.findall(r"\]\((\S+)\.md\)", index)) == {page.stem for page in NOTEBOOKS}
    for page in NOTEBOOKS:
        text = page.read_text()
        assert (
            text.count(
                f"{{download}}`Download the notebook <../_generated/tutorials/{page.stem}.ipynb>`"
            )
            == 1
        )
