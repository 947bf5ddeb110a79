"""The nouns: a folder per subject, with its tables, queries and pure rules. Talks to nothing but the database."""
