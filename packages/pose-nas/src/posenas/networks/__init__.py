"""Pose networks: what they are built of, how they share weights, and what they cost."""
