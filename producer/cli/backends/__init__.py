"""Where jobs are made, read and steered: in store and broker, or through a gateway."""
