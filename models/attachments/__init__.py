"""Attachments: files that members of a conversation send with their messages."""
