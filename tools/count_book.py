"""Print how large book, package and tests are, as the page "The book in numbers" shows it.

Use: PYTHONPATH=book/_ext .venv/bin/python tools/count_book.py
"""

from aigc_book import book_numbers

if __name__ == "__main__":
    print(book_numbers.table(book_numbers.count()))
