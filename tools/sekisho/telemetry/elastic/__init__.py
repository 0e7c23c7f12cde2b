"""The store in Elasticsearch: plain daily indices, written by `create`, where Lucene narrows and our own search decides."""
