"""Reports: figures for notebooks, and a page that shows what a bundle can do. Needs matplotlib and jinja2."""
