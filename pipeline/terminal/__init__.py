"""What a person sees in a terminal: tables, progress, a run while it runs."""
