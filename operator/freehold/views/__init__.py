"""Data for people: snapshots, graph and matrix, without a terminal."""
