"""Who looks at the console: from which host, in which session, and with which forms."""
