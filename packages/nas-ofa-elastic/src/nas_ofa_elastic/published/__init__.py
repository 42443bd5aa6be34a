"""Importers of published weights for the space `ofa`."""
