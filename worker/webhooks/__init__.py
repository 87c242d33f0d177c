"""Webhooks: events sent to URLs of the tenant's own, signed as Standard Webhooks says."""
