"""The console: pages that show what jobs do, and from which people start and control them.

Rendered on the server; htmx replaces parts of a page, and one event stream tells when.
"""
