"""Networks made by hand, with which every search result is compared."""
