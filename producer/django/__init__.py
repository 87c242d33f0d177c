"""The door of a Django project: an admin action, a page of each job, and a signal at its end."""
