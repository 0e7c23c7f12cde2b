"""A release of rules that others wrote: taken in whole or not at all, and told apart from the one before."""
