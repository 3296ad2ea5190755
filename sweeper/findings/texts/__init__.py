"""Findings in words. Both languages have the same kinds, with the same facts in them."""

from typing import Literal

from sweeper.findings.finding import Finding
from sweeper.findings.texts import en, zh

Language = Literal["en", "zh"]
BY_LANGUAGE: dict[Language, dict[str, tuple[str, str, str]]] = {"en": en.TEXTS, "zh": zh.TEXTS}


def texts(finding: Finding, language: Language) -> tuple[str, str, str]:
    """Title, what was seen, and what it can mean and asks for."""
    title, seen, advice = BY_LANGUAGE[language][finding.kind]
    facts = finding.facts
    return title.format(**facts), seen.format(**facts), advice.format(**facts)
