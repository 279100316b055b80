"""The project in this folder is installed in an environment of its own, where its tests run: not here."""

collect_ignore = ["project"]
