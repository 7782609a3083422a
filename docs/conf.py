"""How the documentation is built: `nox -s docs`."""

from importlib.metadata import version as installed_version

from sphinx.application import Sphinx

project = "unblinking"
author = "The unblinking developers"
project_copyright = "2026, The unblinking developers"
version = release = installed_version("unblinking")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib_trio",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"unblinking {version}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # pages link to files of the repository that are no pages

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"


def keep_colons(_app: object, what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Stop napoleon from taking what stands before a colon in an attribute's docstring for the attribute's type."""
    if what in ("attribute", "property", "data") and lines:
        lines[0] = f": {lines[0]}"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # napoleon has 500
