"""The project's own measurements. Each package here has a README that says what its numbers do not show."""
