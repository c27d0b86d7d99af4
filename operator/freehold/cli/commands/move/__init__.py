"""Command `move`: edits the Microservice, and follows the operator, which carries out the move."""

from freehold.cli.commands.move.command import run
from freehold.cli.commands.move.destination import Destination

__all__ = ["Destination", "run"]
