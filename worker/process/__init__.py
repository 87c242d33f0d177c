"""What belongs to a process itself: its parent, and the objects of which it has one."""
