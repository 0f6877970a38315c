"""Studies that compare readers with and without the node."""

COMMANDS = {
    "study": "command.study:app | studies 17 | Reader studies: plan, collect, report, list. | study",
}
PAGES = {"reader_study": "page.router:PAGE"}
TABLES = {
    "reader_studies": "tables:reader_studies",
    "reader_study_images": "tables:reader_study_images",
    "reader_study_readings": "tables:reader_study_readings",
}
