"""docs/conformance.md lists the checks that there are, and counts them right."""

import re

import pytest

from natlib.testing import assignments, encoders, objectives, solvers, targets
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.modality_samples import SAMPLE_CHECKS
from natlib.testing.modality_settings import SETTING_CHECKS
from natlib.testing.modality_views import VIEW_CHECKS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text()
CHECKS = {
    "Any component": COMPONENT_CHECKS,
    "Target distributions": (*targets._CHECKS, ("the seed counts", None)),
    "Solvers": solvers._CHECKS,
    "Assignments": assignments._CHECKS,
    "Objectives": objectives._CHECKS,
    "Encoders": encoders._CHECKS,
    "Modalities": (*SETTING_CHECKS, *SAMPLE_CHECKS, *VIEW_CHECKS),
}
COUNTED = {
    "target": "Target distributions",
    "solver": "Solvers",
    "assignment": "Assignments",
    "objective": "Objectives",
    "encoder": "Encoders",
    "modality": "Modalities",
}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_no_section_is_left_out() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(CHECKS)


@pytest.mark.parametrize("title", CHECKS)
def test_lists_the_checks_in_their_order(title: str) -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section(title), re.MULTILINE)
    assert rows == ["check", *(name for name, _ in CHECKS[title])]


@pytest.mark.parametrize("family", COUNTED)
def test_counts_are_true(family: str) -> None:
    count = len(COMPONENT_CHECKS) + len(CHECKS[COUNTED[family]])
    (said,) = re.findall(
        rf"natlib\.testing\.check_{family}>` \| .* \| (.*) \|$", PAGE, re.MULTILINE
    )
    assert said == (f"{count - 1}, or {count} with a seed" if family == "target" else str(count))
