"""A Django project with django-taggit: articles that have tags."""
