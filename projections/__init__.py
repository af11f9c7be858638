"""Projections answer: registers, trails and findings, rebuilt from the log at any time."""
