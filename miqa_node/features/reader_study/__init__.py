"""Studies that compare readers with and without the node."""

COMMANDS = {"study": "command:STUDY"}
PAGES = {"reader_study": "page.router:PAGE"}
