"""Take the pictures of the report and of the viewer anew, in a headless Chromium.

    python docs/take_pictures.py demo/model demo/study WATCH_BUNDLE BFRBAnticipationDataset [--sizes FOLDER]

The first two are what `make demo` makes, the others a bundle of the preset `watch` and what it was trained on. With
`--sizes`, reports and viewer are taken at three widths, light and dark, as well, to be looked at.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bfrb.read.sources import open_source
from bfrb.report.html import write_report
from viewing import view_command
from viewing_browser import Browser, open_browser

IMAGES = Path(__file__).parent / "images"
SIZES = (420, 800, 1400)
ANSWERED = "document.querySelector('#answer .bar') && document.querySelector('#answer-note').innerText"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "study", "watch", "recordings"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--sizes", type=Path)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_browser(Path(folder) / "profile") as browser:
        if browser is None:
            raise SystemExit("no chromium with chromedriver")
        browser.driver.set_page_load_timeout(600)
        first, second = Path(folder) / "model.html", Path(folder) / "watch.html"
        browser.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        write_report(told.model, first, open_source(told.study))
        take_report(browser, first.as_uri())
        write_report(told.watch, second, open_source(told.recordings, "searle2021"))
        take_events(browser, second.as_uri())
        take_sizes(browser, told.sizes, {"report": first.as_uri(), "watch": second.as_uri()})
        for shown, bundle, what in ((told.study, told.model, "recording"), (told.recordings, told.watch, "continuous")):
            arguments = (shown, "--bundle", bundle, *(["--description", "searle2021"] if what == "continuous" else []))
            with view_command(*arguments, folder=Path(folder)) as process:
                url = process.stdout.readline().strip() + f"&c=0&r={4 if what == 'recording' else 8}"
                take_view(browser, url, what)
                take_sizes(browser, told.sizes, {f"view-{what}": url})


def show(browser: Browser, width: int, height: int, colours: str = "light") -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": colours}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


def take_report(browser: Browser, url: str) -> None:
    show(browser, 1180, 880)
    browser.driver.get(url)
    browser.driver.save_screenshot(str(IMAGES / "report-summary.png"))
    show(browser, 1180, 970, "dark")
    browser.js("document.querySelector('#confusion').scrollIntoView({behavior: 'instant'})")
    browser.driver.save_screenshot(str(IMAGES / "report-confusion-dark.png"))


def take_events(browser: Browser, url: str) -> None:
    show(browser, 1180, 880)
    browser.driver.get(url)
    browser.js("document.querySelectorAll('details').forEach(one => { one.open = false; })")
    browser.driver.find_elements("css selector", "#events figure")[-3].screenshot(str(IMAGES / "report-events.png"))


def take_view(browser: Browser, url: str, what: str) -> None:
    show(browser, 1300, 1150 if what == "recording" else 860)
    browser.open(url + ("" if what == "recording" else "&from=720&to=1140"))
    browser.wait(ANSWERED, patience_s=600)
    panels = 5 if what == "recording" else 3  # with the probabilities
    browser.wait(f"document.querySelectorAll('.panel').length >= {panels}", patience_s=600)
    browser.wait("!document.body.innerText.includes('computing')", patience_s=600)
    browser.driver.save_screenshot(str(IMAGES / f"viewer-{what}.png"))


def take_sizes(browser: Browser, folder: Path | None, urls: dict[str, str]) -> None:
    for name, url in urls.items() if folder else ():
        browser.open(url)
        for width in SIZES:
            for colours in ("light", "dark"):
                show(browser, width, 1000, colours)
                browser.driver.save_screenshot(str(folder / f"{name}-{width}-{colours}.png"))
            wide = browser.js("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            sys.stdout.write(f"{name} at {width}: {wide} px wider than the window\n")


if __name__ == "__main__":
    main()
