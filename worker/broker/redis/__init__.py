"""What Redis needs beside Celery: reliable fetch, sentinels, a client of our own."""
