"""Webhooks: where they may go, how they are sent, and the doors through which they are made."""
