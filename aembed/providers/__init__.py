"""The built-in providers, one file each. They are imported when they are first opened."""
