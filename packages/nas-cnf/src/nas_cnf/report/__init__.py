"""What the report shows of relaxed architectures: what was learnt, and how."""
