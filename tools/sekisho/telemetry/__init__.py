"""Events: reading what terminals logged, knowing each event again, and keeping it in a store."""
