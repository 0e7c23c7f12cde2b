"""The flow policy compiled, proved and set on network devices."""
