"""Imports point one way: command line -> natlib <- adapters."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# In a process of its own: import-linter switches off every logger that exists.
SCRIPT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"


def test_imports_point_one_way():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
