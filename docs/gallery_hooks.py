"""What the building of gallery pages has to know of this package."""

import os

from sphinx_gallery.scrapers import figure_rst

from bfrb.report.style import Figure


def scrape_figure(_block, block_vars, gallery_conf):
    """A figure of the package that ends a block of a page; pyplot knows none of them."""
    figure = block_vars["example_globals"].get("___")
    if not isinstance(figure, Figure):
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=120)
    block_vars["example_globals"]["___"] = None
    return figure_rst([path], gallery_conf["src_dir"])


def prepare_page(_gallery_conf, _page):
    """Let the commands that a page types print without colours, as wide as a page."""
    os.environ.update(NO_COLOR="1", COLUMNS="100")
