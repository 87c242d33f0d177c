"""Redis: reliable fetch, Sentinel, and a client of our own."""
