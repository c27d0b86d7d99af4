"""Other services: consent, aliases, counterparts, gateways and ports."""
