"""What a rule sees of an event, and which events it is for."""
