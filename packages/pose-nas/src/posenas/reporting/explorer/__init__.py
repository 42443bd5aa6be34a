"""The part of a report to explore: from the front to a candidate, its genotype, its scores and its poses."""
