"""TDGAN: recognition from an expression code that identity was taken out of, and expression transfer."""
