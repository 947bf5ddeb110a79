"""Topics: lists of users that a notification can address."""
