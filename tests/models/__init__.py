"""What travels: ids, lists, formats."""
