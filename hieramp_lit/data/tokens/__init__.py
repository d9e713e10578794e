"""Token caches: a data set encoded once, and the data module that feeds tuning from it."""
