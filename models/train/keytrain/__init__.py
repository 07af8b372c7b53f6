"""Training of the small keying network on generated pictures alone."""
