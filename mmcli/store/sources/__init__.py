"""Sources: raw tables as other programs write them, read row by row; one form a file.

What the rows mean (ids, splits, kinds) is decided by whoever takes them in.
"""
