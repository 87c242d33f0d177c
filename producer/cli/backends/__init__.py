"""Where jobs are submitted, read and controlled: store and broker, or through a gateway."""
