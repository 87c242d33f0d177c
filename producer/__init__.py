"""The doors through which jobs come in: Python, a transaction of the caller's, shell, HTTP."""
