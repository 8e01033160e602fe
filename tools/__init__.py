"""This package holds tools for those who receive the product's records. The product doesn't use them, and they are
never deployed."""
