"""Push to phones through Firebase Cloud Messaging (HTTP v1)."""
