"""The tags themselves, apart from what carries them."""
