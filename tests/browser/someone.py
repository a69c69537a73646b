"""A person of the cast at a browser: signs in once, clicks what stands on the page, and notices what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import APIResponse, BrowserContext, ConsoleMessage, Locator, Page, Response, expect

from tests.factories import PASSWORD

PATIENCE_MS = 30_000
#: the end of a run, on a machine that does much else
RUN_MS = 180_000
#: what Chromium itself logs for every answer that is not 2xx; the tests look at the page of such an answer instead
ANSWERED = "Failed to load resource: the server responded with a status of"


class Someone:
    """One signed-in person with one tab. `complaints` holds console errors, broken scripts and refused resources."""

    def __init__(self, context: BrowserContext, url: str, username: str) -> None:
        self.context, self.url, self.username = context, url, username
        self.complaints: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """Open one more tab of this person's browser."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(ANSWERED):
            self.complaints.append(message.text)

    def sign_in(self) -> None:
        """Sign in on the sign-in page."""
        self.go("/sign-in/")
        self.page.get_by_label("Username").fill(self.username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.main.get_by_role("button", name="Sign in").click()
        expect(self.page).not_to_have_url(re.compile("sign-in"))

    # Moving about ---------------------------------------------------------------------------------------------------

    @property
    def main(self) -> Locator:
        """What is on the page without bar and footer; the dialog, if one is open."""
        dialog = self.page.locator("dialog[open]")
        return dialog if dialog.count() else self.page.locator("main")

    def go(self, path: str) -> Response | None:
        """Open a path of the product; returns the answer."""
        return self.page.goto(self.url + path, wait_until="load")

    def click(self, role: str, name: str, *, inside: Locator | None = None) -> None:
        """Click the first link or button whose name holds `name`."""
        where = self.main if inside is None else inside
        where.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        self.page.wait_for_load_state("load")

    def look(self, code: str, part: str = "") -> None:
        """Open a change, or a part of it by the name of its tab."""
        self.go(f"/changes/{code}/")
        if part:
            self.click("link", part, inside=self.page.get_by_role("navigation", name="Parts of this change"))

    def sees(self, *texts: str) -> None:
        """Wait until the page says each text."""
        for text in texts:
            expect(self.page.locator("body")).to_contain_text(text, timeout=PATIENCE_MS)

    # Deeds ----------------------------------------------------------------------------------------------------------

    def dialog(self, code: str, label: str) -> None:
        """Open the dialog behind an action of a change, from its page."""
        self.look(code)
        self.click("link", label)
        expect(self.page.locator("dialog[open]")).to_be_visible()

    def sign(self, code: str, label: str, *, password: str = PASSWORD, **fields: str) -> None:
        """Sign an action in its dialog; `fields` are labels (with _ for blanks) and what is written there."""
        self.dialog(code, label)
        for name, text in fields.items():
            self.main.get_by_label(name.replace("_", " ")).fill(text)
        self.main.get_by_label("Password").fill(password)
        self.press()

    def press(self) -> None:
        """Press the button that sends the open dialog."""
        with self.page.expect_navigation():
            self.main.locator("button[type=submit]").click()

    def say_why(self, code: str, label: str, reason: str) -> None:
        """Do an action that asks for a reason and no signature."""
        self.dialog(code, label)
        self.main.get_by_label("Reason").fill(reason)
        self.press()

    def develop(self, code: str, direction: str) -> None:
        """Run a draft on development and wait for its end."""
        self.dialog(code, "Run on development")
        self.main.get_by_label("Direction").select_option(direction)
        self.press()
        self.watches("succeeded")

    def rehearse(self, code: str) -> None:
        """Ask for a rehearsal on the tab and wait until the page shows it; nothing is reloaded by hand."""
        self.look(code, "Rehearsal")
        with self.page.expect_navigation():
            self.main.get_by_role("button", name="Rehearse", exact=True).click()
        expect(self.page.locator("#rehearsing")).to_have_count(0, timeout=RUN_MS)
        expect(self.page.locator("#verdict")).to_be_visible()

    def waive(self, code: str, reason: str) -> int:
        """Accept every finding that blocks with a reason, on the tab Findings; returns how many there were."""
        self.look(code, "Findings")
        count = 0
        while (open_ones := self.page.locator("article.cc-finding details")).count():
            one = open_ones.first
            one.locator("summary").click()
            one.get_by_label("Why is this acceptable here?").fill(reason)
            with self.page.expect_navigation():
                one.get_by_role("button", name="Waive finding").click()
            count += 1
            assert count < 40
        return count

    def post(self, path: str, **fields: str) -> APIResponse:
        """Send a form as this person without any page: what somebody would do who goes around the buttons."""
        token = next(one["value"] for one in self.context.cookies() if "csrf" in one["name"])
        return self.context.request.post(
            self.url + path, form=fields, headers={"X-CSRFToken": token}, max_redirects=0, timeout=PATIENCE_MS
        )

    def refused(self, sentence: str) -> None:
        """Wait until the page shows a refusal that holds `sentence`."""
        expect(self.page.locator(".cc-note--bad")).to_contain_text(sentence, timeout=PATIENCE_MS)

    def watches(self, state: str) -> None:
        """Stay on the page of a run until it shows this final state; nothing is reloaded by hand."""
        expect(self.page).to_have_url(re.compile(r"/runs/E-"))
        expect(self.page.locator("#run-live")).to_have_count(0, timeout=RUN_MS)
        expect(self.page.locator(".cc-head .cc-meta")).to_contain_text(state)

    def attest(self, code: str, before: str, *, note: str, file: Path | None = None) -> int:
        """Attest every open item of the lists owed before `before` that is this person's; returns how many.

        The first one carries `file`.
        """
        self.look(code, "Checklist")
        count = 0
        while True:
            lists = self.page.locator("section.cc-panel").filter(has_text=f"owed before {before}")
            items = lists.locator("li.is-open").filter(
                has=self.page.locator("summary", has_text=re.compile("^Attest$"))
            )
            if not items.count():
                return count
            item = items.first
            item.locator("summary").click()
            item.get_by_label("What you saw or did").fill(note)
            if file is not None and count == 0:
                item.locator("input[type=file]").set_input_files(file)
            with self.page.expect_navigation():
                item.get_by_role("button", name="Attest: done").click()
            count += 1
            assert count < 40
