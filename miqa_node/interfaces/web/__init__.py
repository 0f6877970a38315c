"""Pages and REST interface: the server, who may do what, and how a page looks."""
