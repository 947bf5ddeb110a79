"""Deliveries: one notification for one user at one address of one channel. The queue of record."""
