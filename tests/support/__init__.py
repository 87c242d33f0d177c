"""What tests stand on: stacks, stores, generators, readers of receipts and events."""
