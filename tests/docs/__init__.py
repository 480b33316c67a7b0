"""What the pages say is checked against what the program does."""
