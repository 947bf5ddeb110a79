"""The function names of earlier notification systems, on top of the client and the outbox.

One module for each system: `hub` (the unified hub), `four_namespaces`, `simple`. New code calls `carillon.Client` or
`carillon.Outbox`.
"""
