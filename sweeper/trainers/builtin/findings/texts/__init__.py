"""The pointer selector's findings in words, in each language of the report."""

from sweeper.trainers.builtin.findings.texts import en, zh

BY_LANGUAGE = {"en": en.TEXTS, "zh": zh.TEXTS}
