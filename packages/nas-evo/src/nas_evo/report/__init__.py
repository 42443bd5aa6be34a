"""The family of an evolution in the report: who descends from whom, in a tree, tables and charts."""
