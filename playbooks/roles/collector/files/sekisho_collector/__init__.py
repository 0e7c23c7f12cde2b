"""Takes logs by RELP and Lumberjack over mutual TLS, and acknowledges only what is durable in its spool."""
