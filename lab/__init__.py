"""Local stand-ins for external services: FCM, a mail server, Redis. Production code does not import this package."""
