"""Whether a run comes out again: its lock, the same search once more, and what that says."""
