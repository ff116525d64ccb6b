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
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service

PATIENCE_S, TURNS = 60, 60
WAIT = """
const said = () => {
  const status = document.querySelector("#status").textContent;
  const fault = document.querySelector(".message")?.textContent;
  return fault ?? (status.includes("Read as") ? status : null);
};
if (said()) arguments[0](said());
else new MutationObserver((_, observer) => {
  if (said()) { observer.disconnect(); arguments[0](said()); }
}).observe(document.body, { subtree: true, childList: true, characterData: true });
"""


def cpu_s(process: int) -> tuple[float, float]:
    """CPU seconds of all threads of a process and of all below it, and those of the page's worker alone."""
    known = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone meanwhile
            known[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    below = {process}
    for number in sorted(known):  # parents come first
        if known[number] in below:
            below.add(number)
    total = worker = 0.0
    for path in (path for number in below for path in Path(f"/proc/{number}/task").glob("*/stat")):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().rpartition(")")
            spent = sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")
            total, worker = total + spent, worker + spent * name.endswith("(DedicatedWorker")
    return total, worker


def measure(site: Path, recording: Path) -> dict[str, float | str | None]:
    """Seconds to the first sight of the page, to its being ready, and to the answer; CPU seconds; megabytes."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(PATIENCE_S)
        driver.get("about:blank")
        browser = driver.service.process.pid
        begun, before = time.perf_counter(), cpu_s(browser)
        driver.get((site / "index.html").absolute().as_uri())
        shown = time.perf_counter() - begun
        driver.find_element("css selector", "#file").send_keys(str(recording.absolute()))
        status = None
        for _ in range(TURNS):
            with contextlib.suppress(TimeoutException):
                status = status or driver.execute_async_script(WAIT)
        answered, after = time.perf_counter() - begun, cpu_s(browser)
    finally:
        driver.quit()
    megabytes = sum(path.stat().st_size for path in site.iterdir()) / 1e6
    spent = {"cpu_s": after[0] - before[0], "worker_cpu_s": after[1] - before[1]}
    return {"page_s": shown, "answered_s": answered, **spent, "megabytes": megabytes, "said": status}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("recording", type=Path)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.site, chosen.recording), indent=1))
