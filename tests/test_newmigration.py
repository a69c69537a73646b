"""`manage.py newmigration`: three files whose own findings are empty, or one sentence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from changecontrol.repository import Repository


def new(*arguments: str) -> str:
    out = io.StringIO()
    call_command("newmigration", *arguments, stdout=out)
    return out.getvalue()


def test_it_creates_files_that_pass_their_own_findings(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path
    printed = new("add_device_info", "--ticket", "TICKET-010", "--author", "Ada Lindqvist").splitlines()
    assert [Path(line).name for line in printed] == ["001_add_device_info.sql", "001_verify.sql", "001_rollback.sql"]
    frozen = Repository(tmp_path).read(1)
    assert frozen.findings == ()
    assert frozen.forward_script.header.author == "Ada Lindqvist"
    assert frozen.forward_script.header.ticket == "TICKET-010"


def test_it_signs_with_the_login_when_no_author_is_given(tmp_path: Path, settings: Any, monkeypatch: Any) -> None:
    settings.REPOSITORY = tmp_path
    monkeypatch.setenv("LOGNAME", "ada")
    new("add_device_info", "--ticket", "TICKET-010")
    assert Repository(tmp_path).read(1).forward_script.header.author == "ada"


@pytest.mark.parametrize("description", ["Add device info", "add-device-info", "../x"])
def test_it_refuses_a_bad_description_with_one_sentence(tmp_path: Path, settings: Any, description: str) -> None:
    settings.REPOSITORY = tmp_path
    with pytest.raises(CommandError, match="lower-case words joined by underscores"):
        new(description, "--ticket", "TICKET-010")
    assert list(tmp_path.iterdir()) == []


def test_it_says_where_the_repository_should_be(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path / "nowhere"
    with pytest.raises(CommandError, match="CHANGECONTROL_REPOSITORY"):
        new("add_device_info", "--ticket", "TICKET-010")
