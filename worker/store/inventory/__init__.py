"""What the store holds, as lists show it."""
