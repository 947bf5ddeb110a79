"""What each tenant used, by day."""
