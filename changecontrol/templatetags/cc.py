"""Template tags and filters. They format values that the view passed; none of them asks the database."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from changecontrol.web import saying, words

register = template.Library()

register.filter("duration", saying.duration)
register.filter("size", saying.size)
register.filter("short_digest", saying.short_digest)
register.filter("spaced_digest", saying.spaced_digest)
register.filter("initials", saying.initials)
register.filter("spoken", words.spoken)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Draw an icon of the sprite; decorative unless it has a label of its own."""
    href = f"{static('cc/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="cc-i" role="img" aria-label="{}"><use href="{}"/></svg>', label, href)
    return format_html('<svg class="cc-i" aria-hidden="true"><use href="{}"/></svg>', href)


def _chip(word: str, look: words.Look) -> SafeString:
    return format_html('<span class="cc-status cc-status--{}">{}{}</span>', look.tone, icon(look.icon), word)


@register.simple_tag
def chip(word: object, text: str = "") -> SafeString:
    """Draw the chip of a status, state, severity or any other word; `text` replaces the word shown."""
    said = words.spoken(word)
    return _chip(text or said, words.look(said))


@register.simple_tag
def state(word: object) -> SafeString:
    """Draw the state of an execution."""
    said = words.spoken(word)
    return _chip(said, words.STATE.get(said, words.PLAIN))


@register.simple_tag
def effect(word: object) -> SafeString:
    """Draw the effect of an execution: what is on the target now."""
    text, look = words.EFFECT.get(words.spoken(word), (words.spoken(word), words.PLAIN))
    return _chip(text, look)


@register.simple_tag
def kind(word: object) -> SafeString:
    """Draw the kind of a statement: schema, changes data, access."""
    text, look = words.KIND.get(str(word), words.KIND["other"])
    return _chip(text, look)


@register.simple_tag
def meaning_icon(meaning: object) -> SafeString:
    """Draw the icon of a signature's meaning."""
    return icon(words.MEANING.get(words.spoken(meaning), "signature"))


@register.filter
def tone(word: object) -> str:
    """Return the color group of a word, for `cc-cell--` and `cc-note--`."""
    return words.look(words.spoken(word)).tone


def _time(moment: dt.datetime, text: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), saying.absolute(moment), text)


@register.simple_tag
def ago(moment: dt.datetime | None, missing: str = "never") -> SafeString | str:
    """Write a time relative to now, absolute with zone on hover and in print."""
    return _time(moment, saying.relative(moment, timezone.now())) if moment else missing


@register.simple_tag
def aged(moment: dt.datetime | None) -> SafeString | str:
    """Write how long ago a time is, without "ago"."""
    return _time(moment, saying.age(moment, timezone.now())) if moment else ""


@register.simple_tag
def stamp(moment: dt.datetime | None) -> SafeString | str:
    """Write a time in full: signatures are always absolute. Paper does not repeat it behind itself."""
    if not moment:
        return ""
    text = '<time class="cc-full" datetime="{}" title="{}">{}</time>'
    return format_html(text, moment.isoformat(), saying.absolute(moment), saying.stamp(moment))


@register.simple_tag
def on_day(moment: dt.datetime | None) -> SafeString | str:
    """Write day and month, the rest on hover."""
    return _time(moment, saying.day(moment)) if moment else ""


@register.simple_tag
def clock(moment: dt.datetime | None) -> SafeString | str:
    """Write the time of day, as a log does."""
    return _time(moment, f"{timezone.localtime(moment):%H:%M:%S}") if moment else ""


@register.filter
def ticks(text: object) -> SafeString:
    """Return a sentence with its `names` as code; everything else is escaped."""
    escaped = str(conditional_escape(str(text or "")))
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))  # noqa: S308 - escaped on the line above


@register.filter
def thousands(value: Any) -> str:
    """Return a whole number with commas."""
    return f"{int(value):,}" if value not in (None, "") else ""


@register.filter
def capital(text: object) -> str:
    """Return a text with a capital first letter, the rest untouched (so that QA stays QA)."""
    said = words.spoken(text)
    return said[:1].upper() + said[1:]


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """Return the value of a key of a plain dictionary, or nothing."""
    return mapping.get(key) if mapping else None


@register.simple_tag(takes_context=True)
def here(context: dict[str, Any], **changes: Any) -> str:
    """Return the query string of this page with some parameters replaced; an empty value removes one."""
    query = context["request"].GET.copy()
    for key, value in changes.items():
        query.pop(key, None)
        if value not in (None, ""):
            query[key] = str(value)
    return "?" + query.urlencode()
