"""What a user of each SDK would write, run by the Python or the node of the clients."""
