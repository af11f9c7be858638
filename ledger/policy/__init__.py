"""Published statements as data, and one pure function for each kind of promise."""
