"""Signing in and out, the own password, and how the pages look to one person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from changecontrol.rules.refusal import Refused
from changecontrol.services import people, signing_in
from changecontrol.web.access import anyone, signed_in
from changecontrol.web.context import THEME_COOKIE
from changecontrol.web.refusals import CONFLICT

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


class NotTheSame(Refused):
    """The two new passwords differ. Nothing was changed."""


class SignIn(auth.LoginView):
    """Django's sign-in view; beginning a session and every failure go through services.signing_in."""

    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Begin the session."""
        signing_in.sign_in(self.request, form.get_user())
        return HttpResponseRedirect(self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Record the attempt, then show the form again."""
        signing_in.failed(username=self.request.POST.get("username", ""), now=timezone.now())
        return super().form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context; the accounts of the demonstration only there."""
        return super().get_context_data(**kwargs) | {"demo_accounts": DEMO_ACCOUNTS if settings.DEMO else ()}


_sign_in: Callable[..., Any] = SignIn.as_view()
_sign_out: Callable[..., Any] = auth.LogoutView.as_view()


@anyone
@never_cache
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for username and password."""
    answer: HttpResponse = _sign_in(request)
    return answer


@signed_in
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    answer: HttpResponse = _sign_out(request)
    return answer


@signed_in
@never_cache
@sensitive_post_parameters("old", "new", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the own password; this session stays, every other ends."""
    if request.method != "POST":
        return render(request, "registration/password.html")
    try:
        new = request.POST.get("new", "")
        if new != request.POST.get("again", ""):
            raise NotTheSame
        person = people.change_password(
            person=request.user, old=request.POST.get("old", ""), new=new, now=timezone.now()
        )
    except Refused as no:
        return render(request, "registration/password.html", {"refusal": no.sentence}, status=CONFLICT)
    update_session_auth_hash(request, person)
    messages.success(request, "Your password is changed. Your other sessions have ended.")
    return redirect("inbox")


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
