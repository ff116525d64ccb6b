"""Sphinx configuration."""

import os
import re
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import settings_page

_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "bfrb"
author = "The bfrb maintainers"
copyright = author
release = version = _PROJECT["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "sg_execution_times.rst"]
templates_path = ["_templates"]
autosummary_ignore_module_all = False
autosummary_imported_members = False
html_theme = "furo"
html_title = f"bfrb {release}"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
napoleon_google_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
highlight_language = "none"
copybutton_prompt_text = "$ "


sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "_generated/gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "default_thumb_file": str(Path(__file__).parent / "images" / "wrist-frame.svg"),
    "ignore_pattern": r"keras_notebook\.py",
    "image_scrapers": ("gallery_hooks.scrape_figure",),
    "reset_modules": ("gallery_hooks.prepare_page",),
    "ignore_repr_types": r"Figure",
    "copyfile_regex": r".*notebook\.py",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1,
    "plot_gallery": os.environ.get("BFRB_GALLERY", "1") != "0",
}


def _escape_shapes(_app, _what, _name, _object, _options, lines):
    """Keep the star of shapes such as (N, *shape) from beginning emphasis."""
    lines[:] = [re.sub(r"(?<=, )\*(?=\w+[),])", r"\\*", line) if ">>>" not in line else line for line in lines]


def setup(app):
    """Register the hooks of this file."""
    settings_page.main()
    app.connect("autodoc-process-docstring", _escape_shapes)
