"""One installation and one Chromium for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from playwright.sync_api import Browser, sync_playwright

from changecontrol.local import testing
from tests import conftest as house
from tests.browser.someone import Someone
from tests.browser.stack import Stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--no-first-run",
]
ABSENT = "Chromium is not installed (apt-get install chromium), so the browser tests cannot run."
People = Callable[..., Someone]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A running Chromium; without one the tests skip, and fail where CI=true."""
    path = testing.chromium()
    if path is None:
        pytest.fail(ABSENT) if os.environ.get("CI") == "true" else pytest.skip(ABSENT)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread; Django would refuse every query because of it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stack(
    chromium: Browser,
    servers: testing.Servers,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A whole installation on a database of its own, migration 001 on production."""
    with django_db_blocker.unblock(), house.fresh_database(), ExitStack() as ending:
        built = Stack(servers, tmp_path_factory.mktemp("installation"))
        ending.callback(built.stop)
        ending.enter_context(override_settings(REPOSITORY=built.repository))
        built.start()
        built.found()
        yield built


@pytest.fixture(scope="package")
def passes() -> dict[str, Any]:
    """The cookies of people who signed in already."""
    return {}


@pytest.fixture
def people(chromium: Browser, stack: Stack, passes: dict[str, Any]) -> Iterator[People]:
    """Seat people at browsers: `people("ada")`. At the end no browser may have complained about a page."""
    seated: list[Someone] = []

    def seat(username: str, *, fresh: bool = False, stranger: bool = False, **options: Any) -> Someone:
        known = None if fresh or stranger else passes.get(username)
        context = chromium.new_context(storage_state=known, accept_downloads=True, **options)
        one = Someone(context, stack.url, username)
        seated.append(one)
        if known is None and not stranger:
            one.sign_in()
            if not fresh:
                passes[username] = context.storage_state()
        return one

    yield seat
    for one in seated:
        one.context.close()
    assert [(one.username, one.complaints) for one in seated if one.complaints] == []
