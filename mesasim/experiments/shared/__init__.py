"""What several experiments have in common; none of these is an experiment."""
