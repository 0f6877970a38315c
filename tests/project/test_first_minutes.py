"""The first ten minutes: a README of one screen and a half, and a landing page that answers each role's questions."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

DOCS = ROOT / "docs"
MOST_WORDS = 600
MOST_WORDS_OF_LIMITS = 150
OF_INSIDERS = ("certificate", "hint", "soft", "silent", "experimental")
"""Words of this project that tell a newcomer nothing."""
ANSWERS = {
    "Will it fit my PACS?": (
        "Structured Report",
        "SOP class",
        "profile",
        "a day",
        "duplicate",
        "firewall",
        "Orthanc",
        "is off",
    ),
    "How do I install it, and take it away again?": ("install.sh", "systemctl", "Uninstall", "first account"),
    "How do I send results to an archive, and only some of them?": (r"\[\[destination\]\]", "objects"),
    "What happens to an image while the node, the disk or the archive fails?": ("full disk", "killed"),
    "How do I upgrade, and go back?": ("back", "migrat"),
    "How do I back it up, and restore it?": ("miqa-node backup", "miqa-node restore"),
    "Which machine does it need for my images a day?": ("images a day", "cores"),
    "Which SOP classes, transfer syntaxes and services does it have?": ("Transfer Syntax", "SOP Class"),
    "How long do images stay on it?": ("retention", "hold"),
    "How do I work through flagged studies?": ("worklist", "retake"),
    "What does a finding mean, and what do I do about it?": ("motion_blur", "foreign_object"),
    "What does the display in my room show?": ("green, amber or red", "Seen"),
    "What if the node is wrong?": ("Dismiss", "the node was wrong"),
    "Why was an image not judged?": ("not assessed|NOT_ASSESSED", "body part"),
    "How often is a flag right in my department?": ("miqa-node pilot", "right"),
    "How good is it, by finding and hospital?": ("hospital", "flagged falsely"),
    "How do I do reject analysis?": ("reject", "TG-305|rate"),
    "How do rooms learn their own limits?": ("learn", "confirm"),
    "How is each measurement defined, in which unit?": ("unit", "variance of|laplacian"),
    "How are phantoms measured, against which limits?": ("phantom", "limits"),
    "How do I add a model?": ("models list", "card"),
    "How do I train one on my own images?": ("train classifier", "labels"),
    "How do I evaluate a package?": ("miqa-node evaluate", "report"),
    "How well do maps point at what was found?": ("Pointing Game", "NormGrad"),
    "How do I de-identify images?": ("deidentify", "Annex E"),
    "Which five systems does it unite, and how good is each?": ("pneumonia", "AUROC"),
    "Which threats are met by which controls?": ("TLS", "Argon2id"),
    "How do I answer the questionnaire (MDS2)?": ("MDS2", "SBOM"),
    "Who may do what, and how do people sign in?": ("role", "sign in|sign-on"),
    "Who saw which patient's images?": ("audit", "read"),
    "How is a patient erased?": ("erase patient", "proof"),
    "What is installed, with which licences?": ("SBOM", "lock"),
    "What happens to an image, step by step, in the code?": ("receive", "pipeline"),
    "How do I write a plug-in?": ("entry", "plug-in"),
    "How does a program ask by REST or DICOMweb?": ("/api/v1", "token"),
    "How does the RIS get results, by HL7 v2 or FHIR?": ("MSH-10", "OBR-25", "port", "DiagnosticReport"),
    "How is another program told?": ("webhook", "signature|signed"),
    "Which commands and settings are there?": ("config", "miqa-node"),
    "How do I contribute?": (),
}
"""Each question of the landing page, with what a page has to hold that answers it."""


def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


def landing() -> str:
    return (DOCS / "index.md").read_text("utf-8")


def test_the_readme_is_read_in_two_minutes() -> None:
    limits = readme().partition("## What it will not do")[2].partition("\n## ")[0]
    assert len(readme().split()) <= MOST_WORDS
    assert len(limits.split()) <= MOST_WORDS_OF_LIMITS
    assert re.findall("|".join(OF_INSIDERS), readme(), re.IGNORECASE) == []


def test_each_role_finds_at_least_four_answers_one_click_away() -> None:
    roles = {part.partition("\n")[0]: part.count("\n| ") - 1 for part in landing().split("\n## ")[1:]}
    assert list(roles) == [
        "PACS administrator", "Technologist", "Physicist", "Researcher", "IT security", "Developer",
    ]  # fmt: skip
    assert all(count >= 4 for count in roles.values())
    assert sum(roles.values()) == len(ANSWERS) >= 24


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_is_answered_where_its_link_leads(question: str) -> None:
    row = next(line for line in landing().splitlines() if line.startswith(f"| {question} |"))
    text = "".join(section(address) for address in re.findall(r"\]\(([^)]+)\)", row))
    assert text
    assert [word for word in ANSWERS[question] if not re.search(word, text, re.IGNORECASE)] == []


def section(address: str) -> str:
    """The page, or the part of it under the heading that the address names."""
    page, _, anchor = address.partition("#")
    text = (DOCS / page).read_text("utf-8")
    if not anchor:
        return text
    parts = re.split(r"^(?=#{1,4} )", text, flags=re.MULTILINE)
    [named] = [part for part in parts if slug(part.partition("\n")[0]) == anchor]
    return named


def slug(heading: str) -> str:
    """The anchor of a heading, as the pages have it."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")
