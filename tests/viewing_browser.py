"""A headless Chromium, and what is done and seen on the viewer's page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1400,1000"
)
PATIENCE_S = 30


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser | None]:
    """A browser with a profile of its own; None where Chromium or its driver is not installed."""
    chromium, driver_path = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not (chromium and driver_path):
        yield None
        return
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    driver.set_page_load_timeout(PATIENCE_S)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """A browser, and the things that are done and seen on the page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def js(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {code}", *arguments)

    def wait(self, code: str, *arguments: Any, patience_s: float = PATIENCE_S) -> Any:
        """Until an expression is true on the page."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            if found := self.js(code, *arguments):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never came true: {code}; on the page: {self.js('document.body.innerText')[:2000]}")

    def open(self, url: str, recording: int | None = None, panels: int = 2) -> None:
        self.driver.get("about:blank")
        self.driver.get(url if recording is None else f"{url}&c=0&r={recording}")
        if recording is not None:
            self.wait(f"document.querySelectorAll('.panel').length >= {panels}")

    def element(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        return self.js("document.querySelector(arguments[0]).innerText", css)

    def keys(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def drag_over_traces(self, start: float, end: float) -> None:
        """Select a stretch, given as shares of the width; again where the traces were drawn anew meanwhile."""
        for last in (False, False, True):
            over = self.element(".u-over")
            left, width = -over.size["width"] / 2, over.size["width"]
            chain = ActionChains(self.driver).move_to_element_with_offset(over, int(left + start * width), 0)
            chain.click_and_hold().move_by_offset(int((end - start) * width), 0).release().perform()
            with suppress(() if last else AssertionError):
                self.wait("!document.querySelector('#zoom-selection').disabled", patience_s=10)
                return
