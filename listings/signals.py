"""Signal for changes of the catalogue."""
