"""Five components become one composition: plugins, options, checks, limits and objectives."""
