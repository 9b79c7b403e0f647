"""The figures of docs/notes.md. Each function named in `__main__` trains what its figure shows, and draws it."""
