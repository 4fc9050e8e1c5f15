"""What the tables say about the paper's claims."""
