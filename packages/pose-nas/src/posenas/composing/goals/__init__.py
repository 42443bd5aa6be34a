"""Costs, limits on them, objectives, and genotypes that are near a budget."""
