"""The Dagster instance under the home folder: its configuration, launching runs, the process of its UI."""
