"""tagsweep in a Django project: add ``tagsweep.contrib.django`` to INSTALLED_APPS.

``tagsweep.contrib.django.admin.BackgroundTagsMixin`` gives a ModelAdmin the actions;
``tagsweep.contrib.django.signals.job_completed`` is sent by ``manage.py tagsweep_events``.
"""

from tagsweep.worker import extras

extras.check("django")
