"""The outbox of services: what they asked for inside their own transactions, until it is taken in."""
