"""What was made up to learn from, so that the right answers are known exactly."""
