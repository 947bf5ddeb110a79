"""Addresses of users: devices and mailboxes."""
