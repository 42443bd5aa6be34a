"""Importers of published weights for the hand-made networks: names as data, one module for each family."""
