"""The built-in components, which are reached by entry points like anybody's."""
