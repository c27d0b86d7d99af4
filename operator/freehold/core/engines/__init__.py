"""Database engines, each behind one interface."""
