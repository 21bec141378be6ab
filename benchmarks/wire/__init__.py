"""What the federation itself costs: rounds of participants that return their input plus a constant."""
