"""What the tests of the viewer share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the viewer is not installed: pip install 'bfrb[view]'")

from cmi_files import labelled_study, write_study
from viewing import Page, open_page, page, serving

__all__ = ["open_page", "page"]


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Page]:
    """One page of five recordings and a bundle, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("shown") / "study"
    folder.mkdir()
    write_study(folder, labelled_study())
    with serving(folder, bundle) as served:
        yield served
