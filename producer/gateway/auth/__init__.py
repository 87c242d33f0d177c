"""Who calls: credentials, signatures, and the encryption of signing secrets."""
