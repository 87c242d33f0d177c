"""From a valid request to its job: recorded, sent to a worker, waited for."""
