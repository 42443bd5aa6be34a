"""The kit: named checks of components, for strangers' plugins and for our own."""
