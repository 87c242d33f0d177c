"""The chaos suite: whatever dies, an accepted job ends once, with true counts and one event.

``make chaos`` runs it whole; ``make test`` runs a short form of it (see ``tests.chaos.scale``).
"""
