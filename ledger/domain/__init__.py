"""What happened, in the words of the law: events, facts, dates and errors, without any I/O."""
