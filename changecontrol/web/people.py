"""Signing in and out, and how the pages look to one person."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from changecontrol.web.access import anyone, signed_in
from changecontrol.web.context import THEME_COOKIE

#: shown on the sign-in page of a demonstration, never elsewhere
DEMO_ACCOUNTS = (
    ("ada", "Ada Lindqvist", "author"),
    ("tess", "Tess Moreau", "technical reviewer"),
    ("cora", "Cora Whitfield", "compliance officer"),
    ("quin", "Quin Harper", "QA"),
    ("theo", "Theo Brandt", "tech lead"),
    ("olga", "Olga Petrov", "administrator"),
    ("ines", "Ines Duarte", "inspector"),
    ("mallory", "Mallory Voss", "no duty"),
)

_login = auth.LoginView.as_view(redirect_authenticated_user=True)
_demo_login = auth.LoginView.as_view(redirect_authenticated_user=True, extra_context={"demo_accounts": DEMO_ACCOUNTS})
_logout = auth.LogoutView.as_view()


@anyone
@never_cache
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for username and password."""
    return (_demo_login if settings.DEMO else _login)(request)


@signed_in
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    return _logout(request)


@anyone
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember light or dark in a cookie of this browser; anything else follows the system."""
    back = request.POST.get("back", "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if ours else reverse("inbox"))
    wanted = request.POST.get("theme", "")
    if wanted in ("light", "dark"):
        response.set_cookie(THEME_COOKIE, wanted, max_age=365 * 86_400, samesite="Lax", httponly=True)
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
