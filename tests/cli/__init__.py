"""What commands print, and the codes they end with."""
