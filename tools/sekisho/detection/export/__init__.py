"""Sigma rules as queries of others: a pySigma pipeline for our documents in Elasticsearch, and what it refuses."""
