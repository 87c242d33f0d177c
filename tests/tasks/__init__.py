"""What messages start, also where workers die or the store refuses."""
