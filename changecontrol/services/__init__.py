"""One function per verb; the only writers."""
