"""Who a terminal is and which tier it is given: the device CA and the RADIUS assignments."""
