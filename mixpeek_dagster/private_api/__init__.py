"""Names of other libraries that are not theirs to promise, a module for each library.

Each stands here because there is no public one. tests/private_api says of each what it is used for and what to turn to
when a release takes it away; ruff and a test keep such names out of every other file.
"""
