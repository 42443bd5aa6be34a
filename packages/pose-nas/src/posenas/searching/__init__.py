"""The search: its effects, which a journal remembers, and the functions that compute them."""
