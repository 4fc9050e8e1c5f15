"""What is trained: cells and the tables that they make."""
