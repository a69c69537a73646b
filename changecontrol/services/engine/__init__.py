"""The verbs that need no database of ours: a folder of migrations and a connection string.

For authors, for CI, for a development database. Staging and production are changed through change requests alone.
One verb a module, imported when it is used, so that a verb starts without what the others need:
linting.lint, rehearsing.rehearse, applying.apply, taking_back.rollback, standing.status, looking.fingerprint.
"""
