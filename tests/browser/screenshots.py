"""Take the pictures under docs/screenshots from a running demonstration.

    python -m tests.browser.screenshots http://127.0.0.1:8000 docs/screenshots [execution=/runs/E-0042/ ...]

With names only those pictures are taken; `name=path` says what the picture shows. Pages are taken as they are, by the
person who uses them, at 1280 and 390 px.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from changecontrol.local import testing

WIDTHS = {1280: 900, 390: 844}
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--no-first-run"]
PASSWORD = "demonstration-only"
#: name of the picture -> who looks at which path; {…} is filled from what the demonstration holds
PAGES = {
    "inbox": ("tess", "/"),
    "change": ("theo", "/changes/{authorizable}/"),
    "sign": ("cora", "/changes/{reviewable}/do/compliance_review/"),
    "sql": ("tess", "/changes/{authorizable}/sql/"),
    "rehearsal": ("tess", "/changes/{authorizable}/rehearsal/"),
    "checklist": ("quin", "/changes/{authorizable}/checklist/"),
    "execution": ("theo", "/runs/{run}/"),
    "live": ("theo", "/runs/{run}/"),
    "predicted": ("theo", "/runs/{run}/"),
    "series": ("quin", "/series/rename-enrolled-on/"),
    "matrix": ("theo", "/matrix/"),
    "repository": ("ada", "/repository/"),
}
#: a picture that begins further down begins at this
BEGINS = {"predicted": "section[aria-labelledby=pvo]"}
#: pixels that a picture shows at most
TALLEST = 1000


def sign_in(page: Page, url: str, username: str) -> None:
    """Sign in as one of the cast."""
    page.goto(f"{url}/sign-in/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"^(?!.*sign-in)"))


def first(page: Page, url: str, path: str, pattern: str) -> str:
    """Return the first thing on a page's addresses that fits; the demonstration always has one."""
    page.goto(url + path)
    for link in page.locator("main a").all():
        if found := re.search(pattern, link.get_attribute("href") or ""):
            return found.group(1)
    raise SystemExit(f"{path} has no link like {pattern}; is this the demonstration?")


def take(browser: Browser, url: str, folder: Path, wanted: dict[str, str]) -> None:
    """Take the pictures wanted, by name and path; an empty path is the usual one."""
    known: dict[str, str] = {}
    for width, height in WIDTHS.items():
        for name, given in wanted.items():
            username, usual = PAGES[name]
            path = given or usual
            context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
            page = context.new_page()
            sign_in(page, url, username)
            if not known and "{" in path:
                known["authorizable"] = first(page, url, "/changes/?status=accepted", r"/changes/(CR-\d+)/$")
                known["reviewable"] = first(page, url, "/changes/?status=in_review&q=005", r"/changes/(CR-\d+)/$")
                known["run"] = first(page, url, "/runs/?q=production", r"/runs/(E-\d+)/$")
            page.goto(url + path.format(**known))
            page.wait_for_load_state("load")
            box = page.locator(BEGINS[name]).bounding_box() if name in BEGINS else None
            top = max(0, round(box["y"]) - 16) if box else 0
            tall = min(TALLEST, page.evaluate("document.documentElement.scrollHeight") - top)
            fixed = name in ("sign", "live")  # what stands at the bottom edge belongs to these pages
            clip = {"x": 0, "y": top, "width": width, "height": height if fixed else tall}
            page.screenshot(path=folder / f"{name}-{width}.png", full_page=name != "sign", clip=clip)
            context.close()


def main(url: str, folder: Path, *names: str) -> None:
    """Take the pictures with the Chromium of this machine."""
    path = testing.chromium()
    if path is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        wanted = {name: path for name, _, path in (one.partition("=") for one in names or PAGES)}
        take(browser, url.rstrip("/"), folder, wanted)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
