"""Reading a run afterwards, or while it goes on: from the journal alone, without torch."""
