"""Image files: where they are, how large, and their pixels."""
