"""What the report shows of the head: what the fusion of its decoding is worth."""
