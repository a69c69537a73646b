#!/usr/bin/env python3
"""The one command door: `python3 manage.py demo`, `python3 manage.py test`, and every other command of Django.

Standard library only: without Django, changecontrol/local/bootstrap.py makes .venv and starts us again in it.
"""
# Nothing above the version check may need a newer Python than the one that has to read the sentence.
# ruff: noqa: UP030, UP032, UP036

import gc
import os
import sys


def main():
    if sys.version_info < (3, 11):
        found = "{0}.{1}".format(*sys.version_info[:2])
        sys.exit("Change Control needs Python 3.11 or newer, and this is {0}: try python3.11 manage.py".format(found))
    from changecontrol.local import bootstrap
    from changecontrol.rules.refusal import Refused

    try:
        bootstrap.ensure(os.path.dirname(os.path.realpath(__file__)), sys.argv[1:])
    except Refused as refusal:
        sys.exit(refusal.sentence)
    except KeyboardInterrupt:
        sys.exit(130)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "changecontrol.settings")
    if sys.argv[1:2] == ["engine"]:
        # It knows neither our database nor our pages: without Django's apps it starts in a third of the time. It makes
        # much at once that lives to the end (modules, plans): looking through all that again and again finds nothing.
        gc.set_threshold(50_000)
        from changecontrol.management.commands.engine import Command

        Command().run_from_argv(sys.argv)
        return
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
