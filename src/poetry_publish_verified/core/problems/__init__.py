"""Every problem that a user can see, in one place: one function per code or message.

Each takes plain values and returns a `Problem`; its message and remedy are side by side. Foreign
text is printable by then or made so here; a message says what is true now, in a whole sentence.
"""
