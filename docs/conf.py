"""Configuration of the Sphinx build; warnings are errors (see .ci/run)."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext"), str(HERE.parent)]

project = "natlib"
author = "The natlib developers"
project_copyright = f"2026, {author}"
release = version = installed_version("natlib")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_parser",
    "generated",
    "tutorials",
]
exclude_patterns = ["_build", "_generated", "_ext", "pictures"]
templates_path: list[str] = []

html_theme = "furo"
html_title = "natlib"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
pygments_style = "tango"
pygments_dark_style = "github-dark"

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "member-order": "bysource",
    # What a component inherits from its family belongs to it; what it inherits from pydantic
    # or torch is explained there.
    "inherited-members": "Component, BaseModel, Module, Exception, tuple",
    "exclude-members": "model_config, registry, __new__, __init__",
}
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
toc_object_entries_show_parents = "hide"

nitpick_ignore_regex = [
    # What other projects document cannot be looked up without a network.
    (
        "py:.*",
        r"(torch|np|numpy|pydantic|annotated_types|rich|PIL|matplotlib|collections|pathlib)(\..*)?",
    ),
    # Type variables, and what the adapters' samples are once they are decoded.
    ("py:.*", r"natlib\.doctor\.finding\.Subject|natlib\.assignment\.base\.P"),
    # Private: what passes between two methods, or what two kinds have in common.
    ("py:.*", r"natlib\.(assignment\.(bank|stream)\._Pending|objectives\.weight_schedules\._Ramp)"),
    ("py:.*", r"natlib\.assignment\.slot_assignment\.SlotAssignment"),
    ("py:.*", r"natlib\.evaluation\.reduced\.Reduced"),
    ("py:.*", r"natlib\.training\.fitting\.(open_settings\.Composer|machine\.Machine)"),
    ("py:.*", r"natlib\.(component|registry)\.C|natlib\.data\.decoded_(samples|store)\.S"),
    ("py:.*", r"natlib_(image|audio|text)\.deco(der|ding)\.\w+"),
    ("py:.*", r"natlib_text\.line_index\.Unit|(pa|pyarrow|sp|scipy)(\..*)?"),
    ("py:.*", r"natlib_text\.(length\.LengthRule|encoders\.sentence_folder\.TopLayer)"),
    ("py:.*", r"natlib_image\.encoders\.network\.NetworkEncoder|UnknownFactError"),
]
