"""How soon a page that `bfrb export --to web` wrote answers: python benchmarks/web_page.py SITE RECORDING.

Headless Chromium opens the page from the disk and is given the recording; times count from the opening. CPU seconds
are those of all of the browser's processes, which a busy machine hardly changes (Linux only). Needs selenium, chromium
and chromedriver.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PATIENCE_S = 1800


def cpu_s(process: int) -> float:
    """CPU seconds of a process and all below it, those that are living."""
    known = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone meanwhile
            known[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    below, ticks = {process}, os.sysconf("SC_CLK_TCK")
    for number in sorted(known):  # parents come first
        if int(known[number][1]) in below:
            below.add(number)
    return sum(int(known[number][11]) + int(known[number][12]) for number in below if number in known) / ticks


def measure(site: Path, recording: Path) -> dict[str, float | str]:
    """Seconds to the first sight of the page, to its being ready, and to the answer; CPU seconds; megabytes."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.get("about:blank")
        browser = driver.service.process.pid
        begun, spent = time.perf_counter(), cpu_s(browser)
        driver.get((site / "index.html").absolute().as_uri())
        seen = time.perf_counter() - begun
        driver.find_element("css selector", "#file").send_keys(str(recording.absolute()))
        status = ""
        while "Read as" not in status and time.perf_counter() - begun < PATIENCE_S:
            time.sleep(0.02)
            status = driver.execute_script(
                "return document.querySelector('#status').textContent"
                " + (document.querySelector('.message')?.textContent ?? '')"
            )
            if "To do" in status:
                raise SystemExit(status)
        answered, spent = time.perf_counter() - begun, cpu_s(browser) - spent
    finally:
        driver.quit()
    megabytes = sum(path.stat().st_size for path in site.iterdir()) / 1e6
    return {"page_s": seen, "answered_s": answered, "cpu_s": spent, "megabytes": megabytes, "said": status}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("recording", type=Path)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.site, chosen.recording), indent=1))
