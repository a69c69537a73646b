"""Measurements against bars and peers: `python -m tests.bench`. No part of the test suite."""
