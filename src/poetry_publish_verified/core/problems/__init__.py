"""Every problem that a user can meet, made in one place: a function a code or message.

Each takes plain values and returns a `Problem` with its message and remedy side by side. Foreign
text is made printable here or before; a message says what is true now, in a whole sentence.
"""
