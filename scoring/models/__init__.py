"""Models as data: parameters are read from files, checked, and evaluated by numpy.

`document` is what a file describes; `.skops` files (`skops`) and legacy pickles (`scoring.legacy`) both
become one. `interpret` turns it into the typed values of `parameters`, which a pack (`pack`) holds in columns
too, and `detector` evaluates them. Nothing of a file is imported, called or given state, and nothing here
needs scikit-learn: only `write`, which saves what scikit-learn has fitted.
"""
