"""How jobs look: in words, as pictures, as filters, as commands to copy."""
