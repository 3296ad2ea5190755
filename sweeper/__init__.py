"""Decides, launches, records and explains; never imports torch."""
