"""The access switch: Open vSwitch in userspace, hostapd on every terminal port, and a port agent."""
