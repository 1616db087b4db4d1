"""docs/diagnosis.md lists every diagnosis, as it is."""

import pytest

from natlib.doctor import DATA_DIAGNOSES, DIAGNOSES, Diagnosis
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("listed", [DIAGNOSES, DATA_DIAGNOSES], ids=["run", "data"])
def test_the_tables_are_those_of_the_code(listed: tuple[Diagnosis, ...]) -> None:
    head = ["| diagnosis | reads | asks for action if |", "|---|---|---|"]
    rows = [f"| {each.name} | {each.reads} | {each.acts_if} |" for each in listed]
    assert "\n".join([*head, *rows]) + "\n\n" in PAGE
