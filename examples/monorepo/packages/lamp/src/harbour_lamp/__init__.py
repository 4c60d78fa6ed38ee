"""The harbour's lamp."""
