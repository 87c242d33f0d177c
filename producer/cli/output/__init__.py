"""What is printed: results on stdout, everything else on stderr."""
