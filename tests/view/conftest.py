"""What the tests of the viewer share."""

import pytest

pytest.importorskip("uvicorn", reason="the viewer is not installed: pip install 'bfrb[view]'")

from viewing import bundle, open_page, page

__all__ = ["bundle", "open_page", "page"]
