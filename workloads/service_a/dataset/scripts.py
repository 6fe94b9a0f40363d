"""The SQL that loads what a source has written: its tables, and what comes around the rows of each file."""

from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")

BEFORE = "SET SESSION foreign_key_checks = 0, autocommit = 0;\n"
"""Foreign keys are not checked row by row, which saves a quarter of the time. Unique keys are: without that
check MariaDB 10.11 takes twice the CPU time, to sort rows that are in order already; 11.8 gains little.
"""
AFTER = "\nCOMMIT;\n"

TAB_SEPARATED = ".tsv"
"""Ends the name of a file with rows as LOAD DATA takes them by default, in UTF-8; before it comes the table's.

A file with another name is SQL for the client: one of the public repository's, known by its digest.
"""


def load_tab_separated(path: str, table: str) -> str:
    """SQL with which the server reads ``path``, a file of its own."""
    return f"LOAD DATA INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4;"
