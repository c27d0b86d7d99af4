"""The cluster as data for people: snapshot, graph, matrix, readiness, contracts and moves, without a terminal."""
