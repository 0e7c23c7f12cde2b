"""The embedded store: Parquet files under the state folder, no server."""
