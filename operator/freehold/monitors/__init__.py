"""Background tasks that observe open ports, connections and the progress of moves."""
