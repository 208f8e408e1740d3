"""Pages for people: a run's report and the list of runs, and fetching them."""
