"""The routes of webhooks: they themselves, and the log of their deliveries."""
