"""What happens to a run: submit, sweep, recover, cancel, clean up."""
