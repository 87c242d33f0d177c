"""What a request holds: body, preferences, page; and the limits on all of them."""
