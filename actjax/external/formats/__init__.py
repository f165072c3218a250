"""Arrays in files made elsewhere: one reader a format, none of which trusts its file.

What a header declares is held against the file's size and a bound of memory before anything is
allocated; checksums are checked; nothing is unpickled, no codec runs that is not named here, and no
name, link or reference leads out of the file.
"""
