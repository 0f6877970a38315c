"""The node's own commands, as built_in.py names them. Their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command

_SERVE, _LOOK, _MODELS = "Run and maintain", "Images and results", "Models"

RUN = Command(
    "Receive, assess, report and deliver until Ctrl-C or SIGTERM.",
    "miqa_node.interfaces.cli.run_node:run",
    _SERVE,
    order=0,
)
DOCTOR = Command(
    "Check settings, disk, database, policy, models, accelerator, ports, mail server and destinations.",
    "miqa_node.features.operations.command.doctor:doctor",
    _SERVE,
    order=1,
)
MIGRATE = Command(
    'Create or update the database tables; "run" does this too.',
    "miqa_node.interfaces.cli.migrate:migrate",
    _SERVE,
    order=2,
)
SELFTEST = Command(
    "Send synthetic images of every kind and transfer syntax through a temporary node and write a record.",
    "miqa_node.features.operations.command.selftest:selftest",
    _SERVE,
    order=3,
)
USERS = Command(
    "Accounts: list, add, role, link, reset-factor, disable, enable, token.",
    "miqa_node.features.accounts.command:app",
    _SERVE,
    order=4,
)
RETENTION = Command(
    "What the node keeps and removes: plan, confirm, fetch, hold, clear, holds.",
    "miqa_node.features.retention.command.retention:app",
    _SERVE,
    order=4,
)
ERASE = Command(
    "Erase a patient, with a signed proof: patient, list, proof, verify.",
    "miqa_node.features.retention.command.erase:app",
    _SERVE,
    order=4,
)
AUDIT = Command("The audit trail: show, export, verify.", "miqa_node.features.audit.command:app", _SERVE, order=4)
BACKUP = Command(
    "Back the node up while it works: database, objects, keys and a manifest with digests.",
    "miqa_node.features.backup.command.backup:backup",
    _SERVE,
    order=4,
)
RESTORE = Command(
    "Put a backup into an empty data directory, comparing each file with the manifest; start the node afterwards.",
    "miqa_node.features.backup.command.backup:restore",
    _SERVE,
    order=4,
)
FSCK = Command(
    "Compare rows with files, images with jobs, and deliveries with destinations; the node may be running.",
    "miqa_node.features.backup.command.fsck:fsck",
    _SERVE,
    order=4,
)
ASSESS = Command(
    "Assess images at once and print the results.", "miqa_node.interfaces.cli.assess:assess", _LOOK, order=5
)
ENHANCE = Command("Write an enhanced copy of an image.", "miqa_node.interfaces.cli.enhance:enhance", _LOOK, order=6)
SEND = Command(
    "Send DICOM files over C-STORE or STOW-RS, or copy them to a folder.",
    "miqa_node.interfaces.cli.send:send",
    _LOOK,
    order=7,
)
EXPLAIN = Command(
    "Show the history of an image or a study: arrival, assessment, verdict, results, deliveries.",
    "miqa_node.features.worklist.command.explain:explain",
    _LOOK,
    order=8,
)
DELIVERIES = Command(
    "Deliveries of results: list, show, hold, release, resend, cancel.",
    "miqa_node.features.operations.command.deliveries:app",
    _LOOK,
    order=9,
)
WORKLIST = Command(
    "Flagged studies: list, views, show, claim, assign, release, comment, resolve, reopen, correct, conflicts, settle.",
    "miqa_node.features.worklist.command.worklist:app",
    _LOOK,
    order=10,
)
REASSESS = Command(
    "Judge images again, behind those that arrive; without --yes only show which ones.",
    "miqa_node.features.reassess.command:reassess",
    _LOOK,
    order=10,
)
PHANTOMS = Command(
    "Series of phantoms: list, patient, phantom.", "miqa_node.features.phantoms.command:app", _LOOK, order=10
)
ANALYSIS = Command(
    "Reject analysis and model watch: rejects, model, report, export, import, logs, remove-log, mappings.",
    "miqa_node.features.analysis.command.analysis:app",
    _LOOK,
    order=11,
)
LABELS = Command(
    "Labels given by people: list, export, import.", "miqa_node.features.labels.command.labels:app", _LOOK, order=12
)
MODELS = Command(
    "Models: list, check, activate, rollback, history, shadow, compare, baseline, card, certificate, seal, pack, "
    "sign, verify.",
    "miqa_node.features.models.command.models:app",
    _MODELS,
    order=13,
)
CALIBRATE = Command(
    "Calibrate a package with images labelled at this site and certify its verdicts.",
    "miqa_node.features.labels.command.calibrate:calibrate",
    _MODELS,
    order=14,
)
TUNE = Command(
    "Propose limits of soft findings for each room and view from the site's own images; without options list all sets.",
    "miqa_node.features.limits.command:tune",
    _MODELS,
    order=14,
)
EVALUATE = Command(
    'Measure a package. "report" may be omitted: miqa-node evaluate PACKAGE --data DIR.',
    "miqa_node.features.analysis.command.evaluate:app",
    _MODELS,
    order=16,
)
STUDY = Command(
    "Reader studies: plan, collect, report, list.",
    "miqa_node.features.reader_study.command:app",
    _MODELS,
    extra="miqa-node[study]",
    order=17,
)
