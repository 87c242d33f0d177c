"""What was typed: options, lists of ids, files; and what is wrong with them."""
