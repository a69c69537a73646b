"""HTML doors: every view loads, makes one call and redirects."""
