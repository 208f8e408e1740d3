"""The soak: minutes of load and trouble for the whole app on one machine, then a proof that nothing was lost.

    make soak          ten minutes, or   make soak SECONDS=60

`load` lets readings land, `trouble` makes storage fail and kills processes, `check` reads what the containers
hold in the end, knows nothing of the product's code, and says what does not add up.
"""
