"""Commands that belong to no feature; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

RUN = Command(
    "Receive, assess, report and deliver until Ctrl-C or SIGTERM.",
    "miqa_node.interfaces.cli.run_node:run",
    Heading.MAINTAIN,
    order=0,
)
MIGRATE = Command(
    'Create or update the database tables; "run" does this too.',
    "miqa_node.interfaces.cli.migrate:migrate",
    Heading.MAINTAIN,
    order=2,
)
ASSESS = Command(
    "Assess images at once and print the results; slices of CT, MR and PET as series, each with one result.",
    "miqa_node.interfaces.cli.assess:assess",
    Heading.IMAGES,
    order=5,
)
ENHANCE = Command(
    "Write an enhanced copy of an image.", "miqa_node.interfaces.cli.enhance:enhance", Heading.IMAGES, order=6
)
SEND = Command(
    "Send DICOM files over C-STORE or STOW-RS, or copy them to a folder.",
    "miqa_node.interfaces.cli.send:send",
    Heading.IMAGES,
    order=7,
)
