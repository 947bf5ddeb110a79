"""Nouns, rules and SQL. Knows no network but the database."""
