"""The pointer selector: its mathematics, what of it is trained, its losses."""
