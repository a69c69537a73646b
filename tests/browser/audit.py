"""What is asked of every page: no accessibility violation, no sideways scroll, nothing refused by its own policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = (1280, 390)
HEIGHTS = {1280: 900, 390: 844}
#: WCAG 2.0 to 2.2, A and AA, and what axe calls best practice
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: the wide ones of a page that scrolls sideways, to say who did it
WIDE_ONES = """() => [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter(one => !one.closest('.cc-scroll, pre, .cc-diff, [role=region]')).slice(0, 3)
  .map(one => one.outerHTML.slice(0, 120))"""

_axe = Axe()


def faults(page: Page) -> Iterator[str]:
    """Yield what is wrong with the page as it is shown now."""
    if page.evaluate(TOO_WIDE) > 0:
        yield f"scrolls sideways: {page.evaluate(WIDE_ONES)}"
    found = _axe.run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    yield from _told(found.response["violations"])


def _told(violations: Iterable[dict[str, Any]]) -> Iterator[str]:
    for one in violations:
        nodes = "; ".join(f"{node['target']} {node.get('failureSummary', '')[:160]}" for node in one["nodes"][:2])
        yield f"axe {one['id']} ({len(one['nodes'])}): {nodes}"
