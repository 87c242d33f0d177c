"""RabbitMQ: timeouts on every reply, existing queues used as declared, reply queues."""
