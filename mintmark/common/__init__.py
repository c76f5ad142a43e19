"""Small pure modules that every other package may use: errors, amounts, pages, documents."""
