"""Servers of one machine, PostgreSQL and Valkey from wheels: for the demonstration and the tests, nobody else."""
