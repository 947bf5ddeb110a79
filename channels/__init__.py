"""Channels: the ways of reaching a person, each behind the contract in `base`."""
