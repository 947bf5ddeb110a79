"""What can be done, each thing once: checked input, one transaction, counters, bells.

Every door calls these functions: the HTTP API, the socket, the command line and the intake of services' outbox rows.
No door opens a write transaction itself. An action raises `actions.problems.Problem` for what a caller did wrong, and
lets `models.sql.engine.UNAVAILABLE` pass.
"""
