"""Messages, queues and workers, on Redis and RabbitMQ."""
