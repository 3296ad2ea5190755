"""Findings in words; what a trainer's own rules find, it says itself. Both languages have the same
kinds, with the same facts in them.
"""

from typing import Literal

from sweeper.findings.finding import Finding
from sweeper.findings.texts import en, zh
from sweeper.study.config import StudyConfig

Language = Literal["en", "zh"]
BY_LANGUAGE: dict[Language, dict[str, tuple[str, str, str]]] = {"en": en.TEXTS, "zh": zh.TEXTS}


def texts(finding: Finding, language: Language, config: StudyConfig) -> tuple[str, str, str]:
    """Title, what was seen, and what it can mean and asks for, in the words of the trainer."""
    own = BY_LANGUAGE[language].get(finding.kind)
    title, seen, advice = own or config.kind.texts(language)[finding.kind]
    told = {**config.nouns.sentences[language], "points": config.scale.apart(language)}
    facts = {**told, **finding.facts}
    return title.format(**facts), seen.format(**facts), advice.format(**facts)
