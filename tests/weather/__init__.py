"""The weather suite: servers answer but refuse, under load, and nothing is lost or untrue.

``make chaos`` runs it whole; ``make test`` runs a short form of it (see ``tests.chaos.scale``).
"""
