"""Change Control: one Django app, and the project package."""

__version__ = "0.1.0"
