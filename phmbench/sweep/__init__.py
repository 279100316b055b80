"""Many runs from one command: grids and searches, which go on where they were cut off."""
