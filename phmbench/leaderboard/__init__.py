"""Methods × protocols, read from records: nothing is trained, and nothing here imports torch."""
