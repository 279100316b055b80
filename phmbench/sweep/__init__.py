"""Many runs from one command: what is searched, which jobs there are, and what became of them."""
