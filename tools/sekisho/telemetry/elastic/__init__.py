"""The store in Elasticsearch: plain daily indices, written by `create`; Lucene narrows, our own search decides."""
