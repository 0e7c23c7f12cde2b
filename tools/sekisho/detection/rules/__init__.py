"""What a Sigma rule says: read by pySigma, typed, and refused by name where it cannot be used."""
