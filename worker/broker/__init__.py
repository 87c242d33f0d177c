"""The broker's one door: nobody else imports Celery or kombu.

Workers and producers share it, so that a queue or a limit is declared once, alike on both sides.
"""
