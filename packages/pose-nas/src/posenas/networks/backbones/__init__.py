"""Backbones made by hand."""
