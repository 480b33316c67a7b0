"""The words of the product: periods in every time zone, scopes and their patterns."""
