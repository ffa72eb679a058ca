"""The systems of chapter 6: whole applications, small, that stand on the library.

Each room is one application, from its data to its measurements. They know the library; the library
does not know them. They need the extra ``apps``.
"""
