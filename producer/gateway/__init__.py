"""The HTTP gateway: two public contracts, jobs, lists and the event feed.

A request enters a route, which calls the others in this order (``access_log`` is around it all):

    routes ─▶ auth ─────▶ requests ─▶ submission
    one per   who calls   the body,   job_request ─▶ transactions ─▶ notifier
    contract              to a job    its id         record, view    wake who waits
"""
