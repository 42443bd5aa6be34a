"""Networks made by hand, which every search result is compared with."""
