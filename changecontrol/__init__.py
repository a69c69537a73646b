"""Change Control: one Django app, and the project package."""
