"""What components, strategies and the core say to each other: two pages, and plain values."""
