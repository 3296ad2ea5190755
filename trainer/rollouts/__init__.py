"""Recorded rollouts: how they are made, and what they are worth as targets."""
