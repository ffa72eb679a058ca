"""Batches: endless, seeded, resumable streams of rows, windows of tokens, and images."""
