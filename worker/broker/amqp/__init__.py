"""What RabbitMQ needs beside Celery: timeouts, queues as they are, reply queues."""
