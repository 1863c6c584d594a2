"""Sources: raw tables as other programs write them, read row by row; one format per file.

What the rows mean (ids, splits, kinds) is decided by the caller.
"""
