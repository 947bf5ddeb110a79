"""Paths of the systems that Carillon replaces."""
