"""Other distributions register kinds through entry points, which load when asked for."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from natlib.assignment import Stream
from natlib.errors import ConfigError
from natlib.solvers import Solver
from natlib.training.config import RunConfig
from tests.installing import Install, installer

SOLVER = """
from typing import ClassVar, Literal
import numpy as np
from natlib.solvers import HostSolver

class Identity(HostSolver):
    kind: Literal["{kind}"] = "{kind}"
    exact: ClassVar[bool] = False

    def _solve_matrix(self, cost, allowed):
        return np.arange(len(cost)), None
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    yield from installer(tmp_path, monkeypatch)


def test_a_plugin_is_listed_without_and_loaded_with_its_kind(install: Install) -> None:
    code = SOLVER.format(kind="identity")
    install("lazy_solver", "identity", "lazy_solver_module", code, "Identity")
    row = next(row for row in Solver.registry.listing() if row.kind == "identity")
    assert row.origin == "lazy_solver 1.0"
    assert "identity" in Solver.registry.kinds()
    assert Stream.model_validate({"solver": "scipy"}).solver.kind == "scipy"
    assert "lazy_solver_module" not in sys.modules

    solver = Stream.model_validate({"solver": {"kind": "identity"}}).solver
    assert "lazy_solver_module" in sys.modules
    assert type(solver) is sys.modules["lazy_solver_module"].Identity
    assert Solver.resolve(solver.model_dump(mode="json")) == solver
    matching = solver.solve(1.0 - torch.eye(3))
    assert matching.columns.tolist() == [0, 1, 2]
    assert (float(matching.cost), float(matching.gap)) == (0.0, 0.0)


def test_two_plugins_of_one_name_are_an_error_that_names_both(install: Install) -> None:
    code = SOLVER.format(kind="clash")
    install("first_dist", "clash", "clash_one", code, "Identity")
    install("second_dist", "clash", "clash_two", code, "Identity")
    with pytest.raises(ConfigError, match="two plug-ins register the solver 'clash'") as caught:
        Solver.registry.get("clash")
    for part in ("first_dist 1.0", "second_dist 1.0", "clash_one:Identity", "clash_two:Identity"):
        assert part in str(caught.value)


def test_a_plugin_may_not_take_the_name_of_natlibs_own(install: Install) -> None:
    install("greedy_dist", "lapjv", "another_lapjv", SOLVER.format(kind="lapjv"), "Identity")
    with pytest.raises(ConfigError, match=r"greedy_dist 1\.0 registers the solver 'lapjv'"):
        Solver.registry.listing()


@pytest.mark.parametrize(
    ("code", "attribute", "text"),
    [
        ("import no_such_module_at_all", "X", "No module named 'no_such_module_at_all'"),
        ("raise RuntimeError('first line\\nsecond line')", "X", "first line second line"),
        ("raise KeyError", "X", "KeyError"),
        ("def broken(:", "X", "invalid syntax"),
        ("", "Missing", "no attribute 'Missing'"),
    ],
)
def test_a_plugin_that_fails_to_import_is_one_line(
    install: Install, code: str, attribute: str, text: str
) -> None:
    install("broken_dist", "broken", "broken_module", code, attribute)
    assert "broken" in Solver.registry.kinds()
    with pytest.raises(ConfigError) as caught:
        Solver.registry.get("broken")
    message = str(caught.value)
    assert message.startswith("the solver 'broken' of broken_dist 1.0 cannot be imported: ")
    assert text in message
    assert "\n" not in message


@pytest.mark.parametrize("code", ["Thing = 3", "from natlib.targets import Gaussian as Thing"])
def test_a_plugin_must_be_of_the_family(install: Install, code: str) -> None:
    install("odd_dist", "thing", "odd_module", code, "Thing")
    with pytest.raises(ConfigError, match="odd_module:Thing is not a solver"):
        Solver.registry.get("thing")


def test_a_plugin_must_be_registered_under_its_own_kind(install: Install) -> None:
    install("name_dist", "fast", "name_module", SOLVER.format(kind="slow"), "Identity")
    with pytest.raises(ConfigError, match=r"registers 'fast', but .* calls itself 'slow'"):
        Solver.registry.get("fast")


def _solvers_of_nat(schema: dict[str, Any]) -> list[Any]:
    """What the schema of a run says of the solver of NAT's ``stream``."""
    options = schema["properties"]["objective"]["anyOf"]
    nat = next(o for o in options[1:] if o["properties"]["kind"].get("const") == "nat")
    options = nat["properties"]["assignment"]["anyOf"]
    stream = next(o for o in options[1:] if o["properties"]["kind"].get("const") == "stream")
    return list(stream["properties"]["solver"]["anyOf"])


def test_a_broken_plugin_does_not_break_the_schema(install: Install) -> None:
    install("broken_dist", "broken", "broken_schema", "import no_such_module_at_all", "X")
    schema = RunConfig.model_json_schema()
    solvers = _solvers_of_nat(schema)
    assert solvers[0]["enum"] == Solver.registry.kinds()
    broken = next(s for s in solvers[1:] if s["properties"]["kind"].get("const") == "broken")
    assert "no_such_module_at_all" in broken["description"]


def test_importing_natlib_imports_no_adapter() -> None:
    program = (
        "import sys, natlib, natlib.training; from natlib.data import Modality;"
        "Modality.registry.kinds();"
        "sys.exit(any(name.startswith(('natlib_', 'torchvision')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0


def test_distributions_that_come_and_go_are_noticed(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "late" not in Solver.registry.kinds()
    install("late_dist", "late", "late_module", SOLVER.format(kind="late"), "Identity")
    assert "late" in Solver.registry.kinds()
    # Into a folder that is searched already, as an installer does it.
    folder = Path(sys.path[0]) / "later-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: later\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[natlib.solvers]\nlater = later:Identity\n")
    assert {"late", "later"} <= set(Solver.registry.kinds())
    monkeypatch.undo()
    assert not {"late", "later"} & set(Solver.registry.kinds())


def test_looking_up_twice_reads_distributions_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Solver.registry.kinds()
    monkeypatch.setattr(metadata, "entry_points", lambda **_: pytest.fail("read again"))
    assert "lapjv" in Solver.registry.kinds()


def test_a_member_inside_another_of_its_family_has_a_schema(install: Install) -> None:
    code = SOLVER.format(kind="wrapping") + "    inner: Solver | None = None\n"
    code = code.replace("import HostSolver", "import HostSolver, Solver")
    install("wrapping_dist", "wrapping", "wrapping_module", code, "Identity")
    schema = RunConfig.model_json_schema()
    solvers = _solvers_of_nat(schema)
    found = [s for s in solvers[1:] if s["properties"]["kind"].get("const") == "wrapping"]
    assert len(found) == 1
    inner = found[0]["properties"]["inner"]["anyOf"]
    assert inner[0]["enum"] == Solver.registry.kinds()
    assert inner[1]["properties"]["kind"]["enum"] == Solver.registry.kinds()
