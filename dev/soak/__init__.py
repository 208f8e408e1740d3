"""The soak test: load and faults for the whole app on one machine, then a check that nothing was lost.

    make soak          ten minutes; or   make soak SECONDS=60

`load` uploads readings, `chaos` makes storage fail and kills processes, and `check` reads the final state of
the containers, uses none of the product's code, and reports what is inconsistent.
"""
