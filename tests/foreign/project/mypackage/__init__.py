"""What one laboratory adds to phmbench."""
