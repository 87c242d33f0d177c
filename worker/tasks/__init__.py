"""The Celery tasks: what a message starts. Each is a paragraph; the steps are named elsewhere."""
