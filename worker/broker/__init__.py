"""The only package that imports Celery or kombu.

Workers and producers share it, so that each queue and limit is declared once for both sides.
"""
