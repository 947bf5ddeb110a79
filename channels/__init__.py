"""One file per way of reaching a person: the only package that talks to the outside.

A channel knows no database, no queue and no web framework.
"""
