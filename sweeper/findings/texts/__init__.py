"""Findings in words; what a trainer's own rules find, it says itself. Both languages have the same
kinds, with the same facts in them.
"""

from typing import Literal

from sweeper.findings.finding import Finding
from sweeper.findings.texts import en, zh
from sweeper.trainers import builtin_trainer
from sweeper.words import NOUNS

Language = Literal["en", "zh"]
BY_LANGUAGE: dict[Language, dict[str, tuple[str, str, str]]] = {"en": en.TEXTS, "zh": zh.TEXTS}


def texts(finding: Finding, language: Language) -> tuple[str, str, str]:
    """Title, what was seen, and what it can mean and asks for."""
    own = BY_LANGUAGE[language].get(finding.kind)
    title, seen, advice = own or builtin_trainer().texts(language)[finding.kind]
    facts = {**NOUNS[language], **finding.facts}
    return title.format(**facts), seen.format(**facts), advice.format(**facts)
