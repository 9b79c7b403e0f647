"""Model files: written atomically, and read with every value checked."""
